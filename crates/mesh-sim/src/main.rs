fn main() {
    let f = mesh_sim::epics::measure(0, 1000);
    #[allow(clippy::print_stderr)]
    eprintln!(
        "{} {} {} {}",
        f.epics,
        f.default_rank.mean(),
        f.makespan_rank.mean(),
        f.waves.mean()
    );
}
