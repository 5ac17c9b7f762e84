//! Configuration: commented defaults, then the user's file, the repository's, variables, flags. Each value knows where it came
//! from; an unknown key is an error with the nearest name.
