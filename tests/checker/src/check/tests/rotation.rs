//! The same for secrets: R1 to R4, F18.

use super::story::{S1, S1_NEW, S2, Story};
use super::with_one;

/// With a rotation whose answer came back.
fn rotated() -> Story {
    let mut story = with_one();
    story.ok(0, S1, "rotate").sets(S1_NEW);
    story
}

#[test]
fn an_old_secret_that_does_not_work_while_the_new_one_was_not_presented_is_against_r2() {
    for (pause, accepted) in [(29, false), (3599, false), (3600, true)] {
        let mut story = rotated();
        story.later(pause).fresh(0, S1, "look");
        if accepted { story.accepted() } else { story.rejected("R2") }
    }
    // The answer was lost.
    let mut story = with_one();
    story.begin(0, Some(S1), "rotate").hangs_up();
    story.later(3599).fresh(0, S1, "look");
    story.rejected("R2");
}

#[test]
fn an_old_secret_that_does_not_work_within_the_grace_time_is_against_r2() {
    for (pause, accepted) in [(29, false), (30, true)] {
        let mut story = rotated();
        story.later(600).ok(0, S1_NEW, "look").saw(&[1]);
        story.later(pause).fresh(0, S1, "look");
        if accepted { story.accepted() } else { story.rejected("R2") }
    }
}

#[test]
fn an_old_secret_that_works_after_the_grace_time_is_against_r3() {
    for (pause, accepted) in [(29, true), (30, false)] {
        let mut story = rotated();
        story.later(600).ok(0, S1_NEW, "append-2").saw(&[1, 2]);
        story.later(pause).ok(0, S1, "look").saw(&[1, 2]);
        if accepted { story.accepted() } else { story.rejected("R3") }
    }
    // A look need not come to be noted.
    let mut story = rotated();
    story.ok(0, S1_NEW, "look").saw(&[1]);
    story.later(1800).ok(0, S1, "look").saw(&[1]);
    story.accepted();
}

#[test]
fn an_old_secret_that_works_when_it_is_not_held_any_more_is_against_r3() {
    for (again, pause, accepted) in
        [(false, 1799, true), (false, 1800, false), (true, 3599, true), (true, 3600, false)]
    {
        let mut story = rotated();
        story.later(1800).ok(0, S1, "append-2").saw(&[1, 2]);
        if again {
            story.ok(0, S1, "rotate").sets([1, 3]);
        }
        story.later(1790).ok(0, S1, "append-3").saw(&[1, 2, 3]);
        story.later(pause - 1790).ok(0, S1, "look").saw(&[1, 2, 3]);
        if accepted { story.accepted() } else { story.rejected("R3") }
    }
}

#[test]
fn an_old_secret_that_works_after_the_next_one_has_rotated_is_against_r3() {
    let mut story = rotated();
    story.ok(0, S1_NEW, "append-2").saw(&[1, 2]);
    story.later(30).ok(0, S1_NEW, "rotate").sets([1, 3]);
    story.ok(0, S1_NEW, "look").saw(&[1, 2]);
    story.accepted();
    story.ok(0, S1, "look").saw(&[1, 2]);
    story.rejected("R3");
}

#[test]
fn a_new_secret_that_was_taken_for_lost_may_be_over_and_one_that_was_presented_may_not() {
    for (pause, presented, accepted) in [(29, false, false), (30, false, true), (30, true, false)] {
        let mut story = rotated();
        if presented {
            story.ok(0, S1_NEW, "append-2").saw(&[1, 2]);
        }
        story.later(pause).begin(0, Some(S1), "rotate").hangs_up();
        story.fresh(0, S1_NEW, "look");
        if accepted { story.accepted() } else { story.rejected("R2") }
    }
}

#[test]
fn an_old_secret_that_works_after_a_sign_in_or_an_elevation_is_against_r3() {
    for path in ["sign_in-ann", "elevate"] {
        let mut story = with_one();
        story.ok(0, S1, path).sets(S1_NEW);
        story.fresh(0, S1, "look");
        story.accepted();
        story.ok(0, S1, "look").saw(&[1]);
        story.rejected("R3");
    }
}

#[test]
fn a_secret_that_was_elevated_in_vain_works() {
    let mut story = with_one();
    story.begin(0, Some(S1), "elevate").does(Some(S1)).replaced(409);
    story.fresh(0, S1, "look");
    story.rejected("R1");
}

#[test]
fn a_late_request_that_changes_the_cookie_or_saves_something_is_against_f18() {
    for path in ["sign_out", "sign_in-ann", "elevate"] {
        let changed = || {
            let mut story = with_one();
            story.ok(0, S1, path);
            if path == "sign_out" {
                story.removes()
            } else {
                story.sets(S1_NEW)
            };
            story
        };
        let mut story = changed();
        story.whole(0, Some(S1), None, "append-2", 409).fails("Ended");
        story.fresh(0, S1, "put-3").fresh(0, S1, "sign_in-bob").sets(S2);
        story.accepted();

        for (pause, accepted) in [(8, false), (10, true)] {
            let mut story = changed();
            story.later(pause).fresh(0, S1, "put-2").sets(S2);
            if accepted { story.accepted() } else { story.rejected("F18") }
        }

        let mut story = changed();
        story.whole(0, Some(S1), None, "append-2", 200).saw(&[2]);
        story.rejected("F18");
    }
    // Which of two ends it was is not known.
    let mut story = with_one();
    story.begin(0, Some(S1), "sign_out").hangs_up();
    story.ok(0, S1, "sign_out").removes();
    story.fresh(0, S1, "put-2").sets(S2);
    story.accepted();
}

#[test]
fn two_secrets_of_rotations_within_one_grace_time_are_against_r4() {
    for (pause, accepted) in [(29, false), (30, true)] {
        let mut story = rotated();
        story.ok(0, S1_NEW, "look").saw(&[1]);
        story.later(pause).ok(0, S1_NEW, "rotate").sets([1, 3]);
        if accepted {
            story.accepted()
        } else {
            story.rejected("R4")
        }

        // It may have got lost.
        let mut story = rotated();
        story.later(pause).ok(0, S1, "rotate").sets([1, 3]);
        if accepted { story.accepted() } else { story.rejected("R4") }
    }
}

#[test]
fn another_secret_for_who_comes_with_the_new_one_is_against_r4() {
    let mut story = rotated();
    story.later(600).ok(0, S1_NEW, "rotate");
    story.accepted();
    story.sets([1, 3]);
    story.rejected("R4");
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
