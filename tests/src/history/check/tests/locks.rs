use super::story::{S1, Story};

fn with_one() -> Story {
    let mut story = Story::new();
    story.new_session(0, S1, "append-1").saw(&[1]);
    story
}

/// One request has the lock, and before it has done everything another one has it, so many seconds later.
fn overlapping(seconds: u64) -> Story {
    let mut story = with_one();
    story.begin(0, Some(S1), "lock/look").does(Some(S1));
    let one = story.number();
    story.later(seconds).ok(0, S1, "lock");
    story.back_to(one).does(Some(S1)).saw(&[1]).ends(200);
    story
}

#[test]
fn two_holders_at_the_same_time_are_against_l1() {
    overlapping(0).rejected("L1");
    overlapping(9).rejected("L1");
}

#[test]
fn a_holder_that_slept_past_its_lease_may_be_overtaken() {
    overlapping(10).accepted();
}

#[test]
fn what_a_holder_saves_after_its_lock_has_passed_to_another_is_against_l2() {
    let mut story = with_one();
    story.begin(0, Some(S1), "lock/append-2").does(Some(S1));
    let one = story.number();
    story.later(10).ok(0, S1, "lock");
    story.back_to(one).does(Some(S1)).saw(&[1, 2]).ends(200);
    story.rejected("L2");
}

#[test]
fn one_holder_after_the_other_is_accepted() {
    let mut story = with_one();
    story.ok(0, S1, "lock/look").saw(&[1]);
    story.ok(0, S1, "lock/look").saw(&[1]);
    story.accepted();
}

#[test]
fn a_lock_that_was_given_back_is_free() {
    let mut story = with_one();
    story.begin(0, Some(S1), "lock/unlock/look").does(Some(S1)).does(Some(S1));
    let one = story.number();
    story.ok(0, S1, "lock");
    story.back_to(one).does(Some(S1)).saw(&[1]).ends(200);
    story.accepted();
}

#[test]
fn a_conflict_under_the_lock_is_against_l1_if_all_others_had_it_as_well() {
    for (other, accepted) in [("lock/pair-3", false), ("pair-3", true)] {
        let mut story = with_one();
        story.begin(0, Some(S1), "lock/put-2").does(Some(S1)).does(Some(S1));
        let put = story.number();
        story.begin(0, Some(S1), other);
        let other = story.number();
        story.back_to(put).replaced(409);
        story.back_to(other).does(Some(S1)).does(Some(S1)).ends(200);
        if accepted { story.accepted() } else { story.rejected("L1") }
    }
}

#[test]
fn a_lock_that_was_refused_is_not_held() {
    let mut story = with_one();
    story.begin(0, Some(S1), "lock/look").does(Some(S1));
    let one = story.number();
    story.begin(0, Some(S1), "lock").does(Some(S1)).fails("LockTimeout").ends(503);
    story.back_to(one).does(Some(S1)).saw(&[1]).ends(200);
    story.accepted();
}
