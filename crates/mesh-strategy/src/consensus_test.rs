//! The rules of `consensus`.

use super::*;

const AGREE: &str = "vote: agree\nreason: right";
const DISAGREE: &str = "vote: disagree\nreason: no test";

fn story() -> Story {
    Story::of(Strategy::Consensus)
}

fn synthesis() -> String {
    format!(
        "1) Decision log\n- critic_a: accepted\n2) Patch\n```diff\n{DIFF}```\n3) Validation\n```sh\nmake test\n```\n4) Residual risk: low\n"
    )
}

fn to_votes(story: &mut Story, round: u32) {
    if round == 1 {
        story.says("proposal.1.proposer.1", "1) Plan\n- do it");
    }
    for critic in ["critic_a", "critic_b", "skeptic"] {
        story.says(&format!("critique.{round}.{critic}.1"), "no findings");
    }
    story.says(&format!("synthesis.{round}.synthesizer.1"), &synthesis());
}

/// Votes in the order of the roles.
fn votes(story: &mut Story, round: u32, votes: [&str; 5]) {
    for (role, vote) in ["proposer", "critic_a", "critic_b", "skeptic", "synthesizer"]
        .iter()
        .zip(votes)
    {
        story.says(&format!("vote.{round}.{role}.1"), vote);
    }
}

#[test]
fn four_of_five_are_enough() {
    let mut story = story();
    assert_eq!(story.turns(), ["proposal.1.proposer.1"]);
    story.says("proposal.1.proposer.1", "1) Plan\n- do it");
    assert_eq!(
        story.turns(),
        [
            "critique.1.critic_a.1",
            "critique.1.critic_b.1",
            "critique.1.skeptic.1"
        ]
    );
    for critic in ["critic_a", "critic_b", "skeptic"] {
        story.says(
            &format!("critique.1.{critic}.1"),
            &format!("finding of {critic}"),
        );
    }
    let prompt = story.prompt("synthesis.1.synthesizer.1");
    for critic in ["critic_a", "critic_b", "skeptic"] {
        assert!(
            prompt.contains(&format!("{critic}:\n```text\nfinding of {critic}\n```")),
            "{prompt}"
        );
    }
    story.says("synthesis.1.synthesizer.1", &synthesis());
    assert_eq!(story.turns().len(), 5);
    assert!(story.prompt("vote.1.skeptic.1").contains("+b"));
    votes(&mut story, 1, [AGREE, DISAGREE, AGREE, AGREE, AGREE]);
    story.applies(None).proves(0);
    assert_eq!(
        story.accepted("synthesis.1.synthesizer.1"),
        [
            "cycle 1: 4 of 5 agree, 4 needed: proposer agrees (right), critic_a disagrees (no test), critic_b agrees (right), skeptic agrees (right), synthesizer agrees (right)"
        ]
    );
}

#[test]
fn three_cycles_without_consensus_are_the_end() {
    let mut story = story();
    for round in 1..=3 {
        to_votes(&mut story, round);
        votes(&mut story, round, [AGREE, DISAGREE, DISAGREE, AGREE, AGREE]);
    }
    story.blocked(Reason::NoConsensus, "cycle 3: 3 of 5 agree, 4 needed");
}

#[test]
fn the_next_cycle_knows_synthesis_and_votes() {
    let mut story = story();
    to_votes(&mut story, 1);
    votes(&mut story, 1, [AGREE, DISAGREE, DISAGREE, AGREE, AGREE]);
    let prompt = story.prompt("critique.2.critic_a.1");
    assert!(
        prompt.contains("+b") && prompt.contains("critic_b disagrees (no test)"),
        "{prompt}"
    );
}

#[test]
fn a_vote_that_is_none_is_asked_for_once_more() {
    let mut story = story();
    to_votes(&mut story, 1);
    votes(&mut story, 1, [AGREE, "I agree", DISAGREE, AGREE, AGREE]);
    assert_eq!(story.turns(), ["vote.1.critic_a.2"]);
    story.says("vote.1.critic_a.2", "I do agree");
    // With it there might have been four.
    story.blocked(Reason::NoResponse, "critic_a gave no vote");
    let mut story = self::story();
    to_votes(&mut story, 1);
    votes(&mut story, 1, [AGREE, "I agree", AGREE, AGREE, AGREE]);
    story
        .end("vote.1.critic_a.2", End::TimedOut)
        .applies(None)
        .proves(0);
    story.accepted("synthesis.1.synthesizer.1");
}

#[test]
fn a_missing_critique_is_asked_for_once_more_and_then_it_ends() {
    let mut story = story();
    story.says("proposal.1.proposer.1", "plan");
    story.says("critique.1.critic_a.1", " ");
    assert_eq!(
        story.turns(),
        [
            "critique.1.critic_a.2",
            "critique.1.critic_b.1",
            "critique.1.skeptic.1"
        ]
    );
    story
        .end("critique.1.critic_a.2", End::TimedOut)
        .says("critique.1.critic_b.1", "x")
        .says("critique.1.skeptic.1", "y");
    story.blocked(
        Reason::NoResponse,
        "critic_a: the answer is empty; asked again: its time limit passed",
    );
}

#[test]
fn where_there_is_room_for_three_all_three_must_agree() {
    let mut story = story();
    story.settings.consensus = Consensus::from_layers(&[], 3).unwrap();
    story
        .says("proposal.1.proposer.1", "plan")
        .says("critique.1.skeptic.1", "x")
        .says("synthesis.1.synthesizer.1", &synthesis());
    assert_eq!(
        story.turns(),
        [
            "vote.1.proposer.1",
            "vote.1.skeptic.1",
            "vote.1.synthesizer.1"
        ]
    );
    story
        .says("vote.1.proposer.1", AGREE)
        .says("vote.1.skeptic.1", DISAGREE)
        .says("vote.1.synthesizer.1", AGREE);
    assert_eq!(story.turns(), ["critique.2.skeptic.1"]);
}

#[test]
fn a_critic_who_cannot_be_started_leaves_three() {
    let none = End::NotStarted {
        why: "no process".to_owned(),
    };
    let mut story = story();
    story
        .says("proposal.1.proposer.1", "plan")
        .end("critique.1.critic_b.1", none.clone())
        .end("critique.1.critic_b.2", none.clone());
    assert_eq!(story.turns(), ["critique.1.skeptic.1"]);
    story
        .says("critique.1.skeptic.1", "x")
        .says("synthesis.1.synthesizer.1", &synthesis());
    assert_eq!(
        story.turns(),
        [
            "vote.1.proposer.1",
            "vote.1.skeptic.1",
            "vote.1.synthesizer.1"
        ]
    );
    // A vote against that was cast before counts.
    let mut story = self::story();
    to_votes(&mut story, 1);
    story
        .says("vote.1.critic_a.1", DISAGREE)
        .end("vote.1.critic_b.1", none.clone())
        .end("vote.1.critic_b.2", none);
    story
        .says("vote.1.proposer.1", AGREE)
        .says("vote.1.skeptic.1", AGREE)
        .says("vote.1.synthesizer.1", AGREE);
    assert_eq!(story.turns(), ["critique.2.skeptic.1"]);
}

#[test]
fn a_patch_that_does_not_apply_is_made_and_voted_on_again() {
    let mut story = story();
    to_votes(&mut story, 1);
    votes(&mut story, 1, [AGREE; 5]);
    story.applies(Some("does not match"));
    assert!(
        story
            .prompt("synthesis.2.synthesizer.1")
            .contains("does not match")
    );
    for round in 2..=3 {
        story.says(&format!("synthesis.{round}.synthesizer.1"), &synthesis());
        votes(&mut story, round, [AGREE; 5]);
        story.applies(Some("does not match"));
    }
    story.blocked(Reason::AmbiguousIntegration, "does not match");
}

#[test]
fn a_failing_proof_ends_it() {
    let mut story = story();
    to_votes(&mut story, 1);
    votes(&mut story, 1, [AGREE; 5]);
    story.applies(None).proves(2);
    story.blocked(Reason::ValidationFailed, "exit code 2: 1 failed");
}

#[test]
fn metadata_that_are_missing_are_made_first() {
    let mut story = story();
    story.task.scope.clear();
    story.task.validation.clear();
    let prompt = story.prompt("hydrate_meta.1.proposer.1");
    assert!(
        prompt.contains("- step: hydrate_meta") && prompt.contains("Deterministic precedence"),
        "{prompt}"
    );
    let block = "```mesh\nscope:\n  - \"src/a.rs\"\nacceptance:\n  - \"other\"\nvalidation:\n  - \"uv run pytest -q\"\nrisk: medium\n```\n";
    story.says("hydrate_meta.1.proposer.1", block);
    let Some(Act::Persist { turn, meta }) = story.next().act else {
        panic!()
    };
    let Meta {
        scope,
        acceptance,
        validation,
        ..
    } = &meta;
    // What the task says itself stays.
    assert_eq!(
        (scope, acceptance, validation),
        (
            &vec!["src/a.rs".to_owned()],
            &vec!["Deterministic precedence documented.".to_owned()],
            &vec!["uv run pytest -q".to_owned()]
        )
    );
    story.entries.push(Entry::Persisted { turn });
    assert!(
        story
            .prompt("proposal.1.proposer.1")
            .contains("uv run pytest -q")
    );
}

#[test]
fn without_a_proof_nothing_is_begun() {
    let mut story = story();
    story.task.validation.clear();
    let block = "```mesh\nscope: [a]\nacceptance: [b]\n```";
    story
        .says("hydrate_meta.1.proposer.1", block)
        .says("hydrate_meta.1.proposer.2", block);
    story.blocked(
        Reason::MissingValidation,
        "`allow_no_validation` is not set",
    );
    let mut story = self::story();
    story.task.validation.clear();
    story
        .says("hydrate_meta.1.proposer.1", "no block")
        .says("hydrate_meta.1.proposer.2", "```mesh\nscope: {a\n```");
    story.blocked(Reason::NoResponse, "there is no fenced `mesh` block");
    let mut story = self::story();
    story.task.validation.clear();
    story.task.allow_no_validation = true;
    assert_eq!(story.turns(), ["proposal.1.proposer.1"]);
}

#[test]
fn a_task_has_its_own_settings_as_far_as_the_run_has_room() {
    let own = |roles, consensus_threshold, consensus_retries| ConsensusLayer {
        roles,
        consensus_threshold,
        consensus_retries,
    };
    let five = Consensus::default();
    let three = Consensus {
        form: Form::Three,
        threshold: 3,
        retries: 2,
    };
    assert_eq!(five.of_task(&ConsensusLayer::default()), five);
    assert_eq!(five.of_task(&own(Some(3), None, None)), three);
    assert_eq!(three.of_task(&own(Some(5), Some(5), None)), three);
    let stricter = five.of_task(&own(None, Some(5), Some(0)));
    assert_eq!((stricter.threshold, stricter.retries), (5, 0));
}

#[test]
fn layers_say_roles_threshold_and_retries() {
    let layer = |roles, consensus_threshold, consensus_retries| ConsensusLayer {
        roles,
        consensus_threshold,
        consensus_retries,
    };
    let from = Consensus::from_layers;
    assert_eq!(from(&[], 5), Ok(Consensus::default()));
    assert_eq!(
        from(&[], 4),
        Ok(Consensus {
            form: Form::Three,
            threshold: 3,
            retries: 2
        })
    );
    assert_eq!(
        from(&[layer(Some(5), None, None)], 1),
        Ok(Consensus::default())
    );
    let both = [layer(None, Some(5), None), layer(Some(5), Some(3), Some(0))];
    assert_eq!(
        from(&both, 9),
        Ok(Consensus {
            form: Form::Five,
            threshold: 5,
            retries: 0
        })
    );
    assert_eq!(
        from(&[layer(Some(4), Some(6), Some(99))], 9)
            .unwrap_err()
            .len(),
        3
    );
    assert_eq!(
        from(&[layer(Some(3), Some(4), None)], 9).unwrap_err().len(),
        1
    );
}

/// The templates of 004, lines 314 to 394, word for word.
#[test]
fn the_prompts_are_the_templates() {
    let mut story = story();
    let proposer = story.prompt("proposal.1.proposer.1");
    story.says("proposal.1.proposer.1", "plan");
    let critic = story.prompt("critique.1.critic_b.1");
    for role in ["critic_a", "critic_b", "skeptic"] {
        story.says(&format!("critique.1.{role}.1"), "x");
    }
    let synthesizer = story.prompt("synthesis.1.synthesizer.1");
    story.says("synthesis.1.synthesizer.1", &synthesis());
    let voter = story.prompt("vote.1.proposer.1");
    for (prompt, lines) in [
        (
            proposer,
            &[
                "You are the $mesh proposer for one task.",
                "- Do NOT apply patches. Prefer plan + pseudocode; output a unified diff only if explicitly requested.",
                "- task_id: T1",
                "- step: proposal",
                "1) Plan (1-5 bullets)",
                "2) Assumptions",
                "3) Risks (low|medium|high) + top 3 risks",
            ][..],
        ),
        (
            critic,
            &[
                "You are one $mesh critic for one task.",
                "- Read-only: do not apply patches.",
                "1) Findings (max 8 bullets)",
                "2) Must-fix items (if any)",
                "3) Vote-flip conditions: what would make you vote `agree` after synthesis",
                "4) Risk level (low|medium|high)",
            ],
        ),
        (
            synthesizer,
            &[
                "You are the $mesh synthesizer for one task.",
                "- Do NOT apply patches; output unified diff text only.",
                "1) Decision log: map each critique point -> accepted/rejected + reason",
                "3) Validation: list exact commands to run (align with mesh_meta unless you updated it explicitly)",
                "4) Residual risk (low|medium|high)",
            ],
        ),
        (
            voter,
            &[
                "You are one $mesh voter for one task.",
                "- Do NOT propose new work; vote on what exists.",
                "- role: proposer",
                "vote: agree|disagree",
                "reason: <one line>",
            ],
        ),
    ] {
        for line in lines
            .iter()
            .chain(&["Hard rules", "- Do NOT commit or push."])
        {
            assert!(
                prompt.lines().any(|found| found == *line),
                "{line}\n\n{prompt}"
            );
        }
    }
}
