//! Whole programs over whole runs. What happened is read from the agents' own log, the tracker, the repository and the process
//! table; mesh's own words are only compared with those.
//!
//! Each story is a function over the backends (which tracker, which version control); the name of a test says which.

mod again;
mod agents;
mod bad_epic;
mod bad_input;
mod bad_place;
mod bookkeeping;
mod claims;
mod conflicts;
mod coordinator;
mod damage;
mod demo;
mod disk;
mod doctor;
mod epic;
mod exclusion;
mod fixture;
mod going_on;
mod ids;
mod inside;
mod interrupts;
mod json;
mod kept;
mod kill;
mod known_agents;
mod landing;
mod left;
mod limits;
mod lists;
mod log;
mod mesh_log;
mod misbehaving;
mod missing;
mod noticed;
mod operations;
mod places;
mod race;
mod real_agents;
mod reason;
mod script;
mod secrets;
mod setup_command;
mod snapshot;
mod swarm;
mod text;
mod tracker_faults;
mod tracker_stories;
mod two_coordinators;
mod verdicts;
mod view;
mod waves;
mod work;
mod worked_example;
