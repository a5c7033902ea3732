use super::story::{S1, S2, Story};
use crate::history::{Entry, Everything};

fn with_one() -> Story {
    let mut story = Story::new();
    story.new_session(0, S1, "append-1").saw(&[1]);
    story
}

#[test]
fn an_acknowledged_append_that_is_missing_later_is_against_u1() {
    let mut story = with_one();
    story.ok(0, S1, "look").saw(&[]);
    story.rejected("U1");
}

#[test]
fn an_append_that_was_under_way_may_be_missing_or_not() {
    for list in [&[1][..], &[1, 2]] {
        let mut story = with_one();
        story.begin(0, Some(S1), "append-2");
        let append = story.number();
        story.ok(0, S1, "look").saw(list);
        story.back_to(append).does(Some(S1)).saw(&[1, 2]).ends(200);
        story.accepted();
    }
}

#[test]
fn an_append_whose_response_got_lost_may_be_missing_or_not_but_not_twice() {
    for list in [&[1][..], &[1, 2]] {
        let mut story = with_one();
        story.begin(0, Some(S1), "append-2").hangs_up();
        story.ok(0, S1, "look").saw(list);
        story.accepted();
    }
    let mut story = with_one();
    story.begin(0, Some(S1), "append-2").hangs_up();
    story.ok(0, S1, "look").saw(&[1, 2, 2]);
    story.rejected("U4");
}

#[test]
fn an_append_that_is_missing_at_its_own_response_is_against_h2() {
    let mut story = with_one();
    story.ok(0, S1, "append-2").saw(&[1, 2]);
    let append = story.number();
    story.ok(0, S1, "look").saw(&[1]).is_probe_of(append);
    story.rejected("H2");
}

#[test]
fn an_insert_into_a_list_that_had_moved_on_is_against_u1_and_under_the_lock_against_l2() {
    for (path, property) in [("put-3", "U1"), ("lock/put-3", "L2")] {
        let mut story = with_one();
        story.begin(0, Some(S1), path);
        if path.starts_with("lock") {
            story.does(Some(S1));
        }
        story.does(Some(S1)).saw(&[1]);
        let put = story.number();
        // Between what it read and the end of its request nothing may come.
        story.back_to(put).ends(200);
        story.accepted();

        let mut story = with_one();
        story.begin(0, Some(S1), path);
        let put = story.number();
        story.ok(0, S1, "append-2").saw(&[1, 2]);
        story.back_to(put);
        if path.starts_with("lock") {
            story.does(Some(S1));
        }
        story.does(Some(S1)).saw(&[1]).ends(200);
        story.rejected(property);
    }
}

#[test]
fn what_a_500_did_not_save_may_not_be_seen_or_it_is_against_u2() {
    for (list, accepted) in [(&[1][..], true), (&[1, 2], false)] {
        let mut story = with_one();
        story.begin(0, Some(S1), "put-2/fail").does(Some(S1)).saw(&[1]).does(Some(S1)).ends(500);
        story.ok(0, S1, "look").saw(list);
        if accepted { story.accepted() } else { story.rejected("U2") }
    }
}

#[test]
fn what_an_append_saved_stays_though_its_request_answers_500() {
    let mut story = with_one();
    story.begin(0, Some(S1), "append-2/fail").does(Some(S1)).saw(&[1, 2]).does(Some(S1)).ends(500);
    story.ok(0, S1, "look").saw(&[1]);
    story.rejected("U1");
}

#[test]
fn a_conflict_saves_nothing() {
    let mut story = with_one();
    story.begin(0, Some(S1), "put-2").does(Some(S1)).replaced(409);
    story.ok(0, S1, "look").saw(&[1, 2]);
    story.rejected("U2");
}

#[test]
fn a_value_that_was_taken_twice_or_comes_back_is_against_u4() {
    let mut story = with_one();
    story.ok(0, S1, "take").saw(&[1]);
    story.ok(0, S1, "look").saw(&[]);
    story.accepted();
    story.ok(0, S1, "look").saw(&[1]);
    story.rejected("U4");

    let mut story = with_one();
    story.begin(0, Some(S1), "take");
    let one = story.number();
    story.ok(0, S1, "take").saw(&[1]);
    story.back_to(one).does(Some(S1)).saw(&[1]).ends(200);
    story.rejected("U4");
}

#[test]
fn half_a_pair_or_a_wrong_sum_is_against_u7() {
    let pair = |token| -> Vec<Entry> { vec![(token, None)] };
    let mut story = with_one();
    story.ok(0, S1, "pair-2");
    let whole = Everything { left: pair(2), right: pair(2), accounts: vec![90, 110, 100] };
    story.ok(0, S1, "look").saw_all(&pair(1), whole.clone());
    story.accepted();

    let mut torn = with_one();
    torn.begin(0, Some(S1), "pair-2").hangs_up();
    torn.ok(0, S1, "look").saw_all(&pair(1), Everything { right: Vec::new(), ..whole.clone() });
    torn.rejected("U7");

    story.ok(0, S1, "look").saw_all(&pair(1), Everything { accounts: vec![90, 100, 100], ..whole });
    story.rejected("U7");
}

#[test]
fn an_acknowledged_pair_that_is_missing_later_is_against_u1() {
    let mut story = with_one();
    story.ok(0, S1, "pair-2");
    story.ok(0, S1, "look").saw(&[1]);
    story.rejected("U1");
}

#[test]
fn what_was_recorded_in_a_session_of_another_secret_may_be_dropped() {
    let mut story = with_one();
    story.begin(0, Some(S1), "pair-2").does(Some(S1));
    let pair = story.number();
    story.ok(0, S1, "sign_in-ann").sets([1, 2]);
    story.back_to(pair).ends(200);
    story.of(Some("ann")).ok(0, [1, 2], "look").saw_all(&[(1, None)], Everything::default());
    story.accepted();
}

#[test]
fn another_session_is_another_list() {
    let mut story = with_one();
    story.new_session(1, S2, "append-2").saw(&[2]);
    story.ok(1, S2, "look").saw(&[2]);
    story.accepted();
}
