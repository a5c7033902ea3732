//! Histories written by hand: a good one is accepted, and each bad one is rejected for its property.

mod rotation;
mod story;

use self::story::{S1, S1_NEW, S2, Story};
use crate::history::{Entry, Everything};

#[test]
fn a_history_in_which_all_goes_well_is_accepted() {
    let mut story = Story::new();
    story.new_session(0, S1, "append-1").saw(&[1]);
    story.ok(0, S1, "append-2").saw(&[1, 2]);
    story.ok(0, S1, "look").saw(&[1, 2]);
    story.ok(0, S1, "rotate").sets(S1_NEW);
    story.ok(0, S1, "look").saw(&[1, 2]);
    story.ok(0, S1_NEW, "take").saw(&[1, 2]);
    story.ok(0, S1_NEW, "look").saw(&[]);
    story.ok(0, S1_NEW, "sign_out").removes();
    story.fresh(0, S1, "look");
    story.accepted();
}

#[test]
fn a_request_that_never_ends_is_against_h4_and_one_whose_client_left_is_not() {
    let mut story = Story::new();
    story.begin(0, None, "append-1");
    story.rejected("H4");

    let mut story = Story::new();
    story.begin(0, None, "append-1").hangs_up();
    story.accepted();
}

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

#[test]
fn a_session_that_is_accepted_after_its_end_is_against_d1() {
    let mut story = with_one();
    story.ok(0, S1, "sign_out").removes();
    story.ok(0, S1, "look").saw(&[1]);
    story.rejected("D1");
}

#[test]
fn a_save_under_way_that_succeeds_after_the_end_is_against_d1() {
    let mut story = with_one();
    story.begin(0, Some(S1), "append-2");
    let append = story.number();
    story.ok(0, S1, "sign_out").removes();
    story.back_to(append).does(Some(S1)).saw(&[1, 2]).ends(200);
    story.rejected("D1");
}

#[test]
fn what_was_in_an_ended_session_and_is_in_another_is_against_d1() {
    let mut story = with_one();
    story.ok(0, S1, "sign_out").removes();
    story.new_session(0, S2, "append-2").saw(&[1, 2]);
    story.rejected("D1");
}

#[test]
fn an_end_without_a_removed_cookie_was_none() {
    let mut story = with_one();
    story.ok(0, S1, "sign_out");
    story.ok(0, S1, "look").saw(&[1]);
    story.accepted();
}

#[test]
fn an_end_before_a_sign_in_may_have_been_overtaken_by_another_secret() {
    let mut story = with_one();
    story.ok(0, S1, "sign_out/sign_in-ann").sets(S2);
    story.ok(0, S1, "look").saw(&[1]);
    story.accepted();
}

#[test]
fn a_session_that_nobody_used_for_the_idle_time_is_over_by_d3() {
    for (pause, accepted) in [(3599, true), (3600, false)] {
        let mut story = with_one();
        story.later(pause).ok(0, S1, "look").saw(&[1]);
        if accepted { story.accepted() } else { story.rejected("D3") }
    }
}

#[test]
fn a_session_that_is_used_all_the_time_is_over_at_its_absolute_limit_by_d3() {
    let mut story = with_one();
    for half_hour in 1..=48 {
        if half_hour == 48 {
            story.accepted();
        }
        story.later(1800).ok(0, S1, "look").saw(&[1]);
    }
    story.rejected("D3");
}

#[test]
fn a_session_of_a_user_whose_sessions_were_all_ended_is_against_d5() {
    let mut story = Story::new();
    story.new_session(0, S1, "sign_in-ann");
    story.ok(0, S1, "look").of(Some("ann"));
    story.whole(1, None, None, "end_all-ann", 200);
    story.accepted();
    story.ok(0, S1, "look").saw(&[]);
    story.rejected("D5");
}

#[test]
fn a_session_that_began_after_all_were_ended_is_accepted() {
    let mut story = Story::new();
    story.new_session(1, S2, "append-1").saw(&[1]);
    story.ok(1, S2, "end_all-ann");
    story.new_session(0, S1, "sign_in-ann");
    story.of(Some("ann")).ok(0, S1, "look").saw(&[]);
    story.accepted();
}

#[test]
fn a_session_that_is_gone_without_an_end_is_against_r1_and_after_a_sweep_against_d4() {
    let mut story = with_one();
    story.fresh(0, S1, "look");
    story.rejected("R1");

    let mut story = with_one();
    story.whole(1, None, None, "purge", 200);
    story.fresh(0, S1, "look");
    story.rejected("D4");
}

#[test]
fn a_session_that_expired_may_be_gone() {
    let mut story = with_one();
    story.later(3600).fresh(0, S1, "look");
    story.accepted();
}

#[test]
fn a_remembered_session_that_is_gone_before_its_time_is_against_r1_and_one_that_stays_on_against_d3() {
    const DAYS: u64 = 24 * 3600;
    let remembered = || {
        let mut story = Story::new();
        story.new_session(0, S1, "sign_in-ann/remember").of(Some("ann"));
        story
    };
    for (pause, gone_is_right) in [(30 * DAYS - 1, false), (30 * DAYS, true)] {
        let mut story = remembered();
        story.later(pause).fresh(0, S1, "look");
        if gone_is_right {
            story.accepted()
        } else {
            story.rejected("R1")
        }

        let mut story = remembered();
        story.later(pause).ok(0, S1, "look");
        if gone_is_right { story.rejected("D3") } else { story.accepted() }
    }
    // Another user's sign-in ends it, for all one knows.
    let mut story = remembered();
    story.ok(0, S1, "sign_in-bob").sets(S1_NEW);
    story.later(2 * DAYS).fresh(0, S1_NEW, "look");
    story.accepted();
}

#[test]
fn a_cookie_whose_secret_is_not_stored_at_its_response_is_against_h1() {
    let mut story = with_one();
    let number = story.number();
    story.fresh(0, S1, "look").is_probe_of(number);
    story.rejected("H1");
}

#[test]
fn a_session_given_to_two_browsers_and_a_cookie_issued_twice_are_against_i1() {
    for again in [S1, S1_NEW] {
        let mut story = with_one();
        story.new_session(1, again, "pair-2");
        story.rejected("I1");
    }
}

#[test]
fn a_cookie_that_nobody_issued_and_that_works_is_against_i2() {
    let mut story = with_one();
    story.fresh(1, S2, "look");
    story.accepted();
    story.ok(1, S2, "look").saw(&[]);
    story.rejected("I2");
}

#[test]
fn a_cookie_that_nobody_issued_and_that_is_adopted_is_against_i2() {
    let mut story = with_one();
    story.fresh(1, S2, "pair-2").sets(S2);
    story.rejected("I2");
}

#[test]
fn a_token_in_another_session_than_its_own_is_against_i3() {
    let mut story = with_one();
    story.new_session(1, S2, "append-2").saw(&[2]);
    story.ok(1, S2, "look").saw(&[2, 1]);
    story.rejected("I3");
}

#[test]
fn a_token_that_nobody_wrote_is_against_i3() {
    let mut story = with_one();
    story.ok(0, S1, "look").saw(&[1, 7]);
    story.rejected("I3");
}

#[test]
fn what_was_written_for_one_user_and_is_with_another_is_against_i5() {
    let mut story = with_one();
    story.ok(0, S1, "sign_in-ann").sets(S1_NEW);
    story.of(Some("ann")).begin(0, Some(S1_NEW), "pair-2").does(Some(S1_NEW));
    let pair = story.number();
    story.ok(0, S1_NEW, "sign_in-bob").sets([1, 3]);
    story.back_to(pair).ends(200);
    story.of(Some("bob")).ok(0, [1, 3], "look").saw_all(&[], Everything::default());
    story.accepted();

    let entry = || vec![(2, Some("ann".to_owned()))];
    let kept = Everything { left: entry(), right: entry(), accounts: Vec::new() };
    story.ok(0, [1, 3], "look").saw_all(&[], kept);
    story.rejected("I5");
}

#[test]
fn what_a_visitor_wrote_before_signing_in_is_the_users() {
    let mut story = with_one();
    story.ok(0, S1, "sign_in-ann").sets(S1_NEW);
    story.of(Some("ann")).ok(0, S1_NEW, "look").saw_all(&[(1, None)], Everything::default());
    story.accepted();
}

#[test]
fn a_sign_in_that_comes_to_nothing_hides_the_last_users_data_from_its_own_request_alone() {
    let mut story = Story::new();
    story.of(Some("bob")).new_session(0, S1, "sign_in-bob/append-1").saw(&[1]);
    story.begin(0, Some(S1), "sign_in-ann/look/fail").does(Some(S1));
    story.of(Some("ann")).does(Some(S1)).saw(&[]).does(Some(S1)).ends(500);
    story.accepted();
    story.of(Some("bob")).ok(0, S1, "look").saw(&[]);
    story.rejected("U1");
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
