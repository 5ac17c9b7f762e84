//! What is known of shells, for templates and for judging proofs.

/// Whether `word` names a shell that takes a script after `-c`.
pub(crate) fn is_shell(word: &str) -> bool {
    const SHELLS: [&str; 8] = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish"];
    let name = word.rsplit('/').next().unwrap_or(word);
    SHELLS.contains(&name)
}
