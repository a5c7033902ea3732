use super::story::{S1, S1_NEW, S2, Story};

fn with_one() -> Story {
    let mut story = Story::new();
    story.new_session(0, S1, "append-1").saw(&[1]);
    story
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
fn a_cookie_whose_secret_is_not_stored_at_its_response_is_against_h1() {
    let mut story = with_one();
    let number = story.number();
    story.fresh(0, S1, "look").is_probe_of(number);
    story.rejected("H1");
}

#[test]
fn an_old_secret_that_does_not_work_within_the_grace_time_is_against_r2() {
    for (pause, accepted) in [(29, false), (30, true)] {
        let mut story = with_one();
        story.ok(0, S1, "rotate").sets(S1_NEW);
        story.later(pause).fresh(0, S1, "look");
        if accepted { story.accepted() } else { story.rejected("R2") }
    }
}

#[test]
fn an_old_secret_that_works_after_the_grace_time_is_against_r3() {
    for (pause, accepted) in [(29, true), (30, false)] {
        let mut story = with_one();
        story.ok(0, S1, "rotate").sets(S1_NEW);
        story.later(pause).ok(0, S1, "look").saw(&[1]);
        if accepted { story.accepted() } else { story.rejected("R3") }
    }
}

#[test]
fn an_old_secret_that_works_after_a_sign_in_is_against_r3() {
    let mut story = with_one();
    story.ok(0, S1, "sign_in-ann").sets(S1_NEW);
    story.fresh(0, S1, "look");
    story.accepted();
    story.ok(0, S1, "look").saw(&[1]);
    story.rejected("R3");
}

#[test]
fn two_secrets_of_rotations_within_one_grace_time_are_against_r4() {
    for (pause, accepted) in [(29, false), (30, true)] {
        let mut story = with_one();
        story.ok(0, S1, "rotate").sets(S1_NEW);
        story.later(pause).ok(0, S1_NEW, "rotate").sets([1, 3]);
        if accepted { story.accepted() } else { story.rejected("R4") }
    }
}

#[test]
fn a_cookie_that_changes_for_no_reason_is_against_r1() {
    let mut story = with_one();
    story.fresh(1, S2, "look");
    story.accepted();
    story.removes();
    story.rejected("R1");

    let mut story = with_one();
    story.ok(0, S1, "pair-2").sets(S1_NEW);
    story.rejected("R1");

    let mut story = with_one();
    story.fresh(1, [7, 7], "look").sets(S2);
    story.rejected("R1");
}
