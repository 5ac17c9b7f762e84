//! What `mesh plan` and `bd swarm validate` say of generated epics: the same members, in the same fronts.
//!
//! `MESH_SWARM_EPICS=50` compares fifty epics of 5 to 200 beads instead of a few small ones; each has a tracker of its own.

use std::collections::BTreeSet;

use mesh_sim::generate::needs;
use mesh_sim::rng::Rng;
use serde_json::Value;

use crate::fixture::{
    BD_0_47_1_GIT, BD_1_3_0_GIT, Backends, FAKE_BD_0_47_1_GIT, FAKE_BD_GIT, Job, job,
};

mod fake_bd_1_3_0_git {
    #[test]
    fn plan_and_bd_see_the_same_fronts() {
        super::plan_and_bd_see_the_same_fronts(super::FAKE_BD_GIT);
    }
}
mod fake_bd_0_47_1_git {
    #[test]
    fn plan_and_bd_see_the_same_fronts() {
        super::plan_and_bd_see_the_same_fronts(super::FAKE_BD_0_47_1_GIT);
    }
}
mod real_bd_1_3_0_git {
    #[test]
    fn plan_and_bd_see_the_same_fronts() {
        super::plan_and_bd_see_the_same_fronts(super::BD_1_3_0_GIT);
    }
}
mod real_bd_0_47_1_git {
    #[test]
    fn plan_and_bd_see_the_same_fronts() {
        super::plan_and_bd_see_the_same_fronts(super::BD_0_47_1_GIT);
    }
}

/// Epics in an ordinary run of the tests, and the most beads in one of them.
const USUAL: (usize, usize) = (6, 40);
/// The most beads when the number of epics is given.
const MOST: usize = 200;

/// Sizes from 5 to `most`, the smaller the more of them: bd takes some 50 ms for each child on 1.3.0.
fn sizes(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let last = count.saturating_sub(1).max(1);
    (0..count).map(move |at| 5 + (most - 5) * at.pow(3) / last.pow(3))
}

type Fronts = Vec<BTreeSet<String>>;

fn ids(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().expect("ids").iter();
    list.map(|id| id.as_str().expect("an id").to_owned())
        .collect()
}

fn plan_and_bd_see_the_same_fronts(backends: Backends) {
    let given = std::env::var("MESH_SWARM_EPICS").ok();
    let (count, most) = match given {
        Some(count) => (count.parse().expect("MESH_SWARM_EPICS is a number"), MOST),
        None => USUAL,
    };
    let (mut beads, mut edges, mut fronts) = (0, 0, 0);
    for (seed, size) in sizes(count, most).enumerate() {
        let Some(fixture) = backends.open() else {
            return;
        };
        let name = |at: &usize| format!("k{at}");
        let seed = u64::try_from(seed).expect("few epics");
        let jobs: Vec<Job> = needs(&mut Rng::new(seed), size)
            .iter()
            .enumerate()
            .map(|(at, needs)| {
                let needs: BTreeSet<String> = needs.iter().map(name).collect();
                let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
                job(&name(&at), &needs)
            })
            .collect();
        let work = fixture.plan("Generated", &jobs);
        let tracker = fixture.tracker.as_ref().expect("a tracker");
        let said = tracker.bd_json(&["swarm", "validate", &work.source, "--json"]);
        let args = [
            "plan",
            &work.source,
            "-n",
            "200",
            "--allow-serial",
            "--json",
        ];
        let plan = fixture.mesh(&args).exits(0).object();

        let of_bd = said["ready_fronts"].as_array().expect("fronts").iter();
        let of_bd: Fronts = of_bd.map(|front| ids(&front["issues"])).collect();
        let of_mesh = plan["waves"].as_array().expect("waves").iter();
        let of_mesh: Fronts = of_mesh.map(ids).collect();
        assert_eq!(of_mesh, of_bd, "{size} beads, seed {seed}: {said:#}");
        let members: BTreeSet<String> = of_bd.iter().flatten().cloned().collect();
        assert_eq!(members, work.ids.values().cloned().collect());
        assert_eq!(said["total_issues"], size, "{said:#}");
        // The comparison that the plan itself makes says nothing.
        let problems = plan["problems"].to_string();
        assert!(!problems.contains("bd "), "{problems}");
        beads += size;
        edges += jobs.iter().map(|job| job.needs.len()).sum::<usize>();
        fronts += of_bd.len();
    }
    println!("{count} epics, {beads} beads, {edges} needs, {fronts} fronts: no difference");
}
