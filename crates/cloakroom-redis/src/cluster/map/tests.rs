use super::*;

fn node(port: u16) -> Node {
    Node { host: "127.0.0.1".to_owned(), port }
}

fn view(ranges: &[(u16, u16, u16)]) -> View {
    let ranges = ranges.iter().map(|(first, last, port)| (*first, *last, node(*port))).collect();
    View { ranges, nodes: vec![] }
}

fn map(ranges: &[(u16, u16, u16)]) -> Map<u16> {
    Map::new(view(ranges), |node| Ok::<_, ()>(Arc::new(node.port))).unwrap()
}

#[test]
fn a_key_has_the_slot_that_redis_says() {
    // As `CLUSTER KEYSLOT` answers.
    for (key, expected) in [("", 0), ("123456789", 12_739), ("foo", 12_182), ("somekey", 11_058)] {
        assert_eq!(slot(key), expected, "{key}");
    }
    assert_eq!(slot("a{foo}b{c}"), 12_182, "between the first braces");
    assert_eq!(slot("{}foo"), crc16("{}foo") % SLOTS, "nothing is no tag");
    assert_eq!(slot("{foo"), crc16("{foo") % SLOTS);
}

#[test]
fn a_slot_has_the_primary_of_its_range() {
    let map = map(&[(0, 99, 1), (200, 200, 2), (300, 16_383, 1)]);
    for (slot, expected) in [(0, Some(1)), (99, Some(1)), (100, None), (200, Some(2)), (201, None)] {
        assert_eq!(map.of(slot).map(|led| **led), expected, "{slot}");
    }
    assert_eq!(map.of(16_383).map(|led| **led), Some(1));
    assert_eq!(map.primaries, [node(1), node(2)]);
    assert!(!map.is_whole());
    assert!(self::map(&[(0, 99, 1), (100, 16_383, 2)]).is_whole());
}

#[test]
fn what_most_nodes_tell_is_believed() {
    let (was, is) = (view(&[(0, 9, 1)]), view(&[(0, 9, 2)]));
    let believed = View::of_most(vec![was.clone(), is.clone(), is]).unwrap();
    assert_eq!(believed.ranges, [(0, 9, node(2))]);
}

#[test]
fn an_answer_is_read_with_its_replicas_and_with_hosts_that_are_not_named() {
    let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), Value::Nil]);
    let text = |text: &str| Value::BulkString(text.into());
    let range = |first, last, nodes: [Value; 2]| {
        Value::Array([Value::Int(first), Value::Int(last)].into_iter().chain(nodes).collect())
    };
    let answer = Value::Array(vec![
        range(8, 9, [node(text("::1"), 3), node(text("host"), 4)]),
        range(0, 7, [node(Value::Nil, 1), node(text(""), 2)]),
    ]);
    let view = View::read(answer, "teller").unwrap();
    let names: Vec<String> = view.nodes.iter().map(Node::name).collect();
    assert_eq!(names, ["::1:3", "host:4", "teller:1", "teller:2"]);
    assert_eq!(view.ranges[0].2.name(), "teller:1");
    for other in [Value::Nil, Value::Array(vec![Value::Nil]), Value::Array(vec![Value::Array(vec![])])] {
        assert!(View::read(other, "teller").is_none());
    }
    assert!(View::read(Value::Array(vec![range(0, 16_384, [text("x"), text("y")])]), "teller").is_none());
}

#[test]
fn a_node_without_the_name_that_was_asked_for_has_its_address_or_is_left_out() {
    let text = |text: &str| Value::BulkString(text.into());
    let node = |port, called: Value| Value::Array(vec![text("?"), Value::Int(port), text("id"), called]);
    let range = |first, last, nodes: Vec<Value>| {
        Value::Array([Value::Int(first), Value::Int(last)].into_iter().chain(nodes).collect())
    };
    let in_pairs = Value::Map(vec![(text("hostname"), text("")), (text("ip"), text("192.0.2.1"))]);
    let by_turns = Value::Array([text("shard"), text("x"), text("ip"), text("::1")].into());
    let nothing = || Value::Array(vec![]);
    let older = Value::Array(vec![text("?"), Value::Int(5), text("id")]);
    let unknown = Value::Map(vec![(text("ip"), text("?"))]);
    let answer = Value::Array(vec![
        range(0, 1, vec![node(1, in_pairs), node(2, nothing())]),
        range(2, 3, vec![node(3, by_turns), older]),
        range(4, 5, vec![node(4, nothing()), node(6, unknown)]),
    ]);
    let view = View::read(answer, "teller").unwrap();
    let ranges: Vec<_> = view.ranges.iter().map(|(first, last, node)| (*first, *last, node.name())).collect();
    assert_eq!(ranges, [(0, 1, "192.0.2.1:1".to_owned()), (2, 3, "::1:3".to_owned())]);
    assert_eq!(view.nodes.iter().map(Node::name).collect::<Vec<_>>(), ["192.0.2.1:1", "::1:3"]);
}

#[test]
fn a_host_that_is_no_place_is_not_gone_to() {
    let parsed = |name| Node::parse(name, "teller").map(|node| node.name());
    assert_eq!(parsed("?:17992"), None);
    for name in [":7", "0.0.0.0:7", ":::7"] {
        assert_eq!(parsed(name).as_deref(), Some("teller:7"), "{name}");
    }
    assert_eq!(parsed("::1:7").as_deref(), Some("::1:7"));
}
