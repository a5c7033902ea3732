use super::*;

fn nodes(ports: std::ops::Range<u16>) -> Vec<Node> {
    ports.map(|port| Node { host: "host".to_owned(), port }).collect()
}

#[test]
fn some_that_the_url_names_are_asked_each_time_and_the_others_by_turns() {
    for (named, known) in [(1, 40), (2, 16), (5, 30), (3, 8), (3, 0)] {
        let (named, known) = (nodes(0..named), nodes(100..100 + known));
        let mut seen = HashSet::new();
        for turn in 0..40 {
            let asked = whom_to_ask(&named, &known, turn);
            assert_eq!(asked.len(), AT_MOST.min(named.len().min(AT_MOST_NAMED) + known.len()));
            assert_eq!(asked.iter().collect::<HashSet<_>>().len(), asked.len(), "nobody twice");
            let of_url = asked.iter().filter(|node| named.contains(node)).count();
            assert_eq!(of_url, AT_MOST_NAMED.min(named.len()));
            seen.extend(asked);
        }
        assert_eq!(seen.len(), named.len() + known.len(), "everybody has a turn");
    }
    assert_eq!(whom_to_ask(&nodes(0..3), &nodes(0..3), 7).len(), 3);
}
