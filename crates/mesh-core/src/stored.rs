//! Helpers for the stored form of leaf types, which serde derives. A name that once was written keeps its meaning for ever; a new
//! field has a default, so that older files still load.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::TaskId;

/// The content of a tuple variant as a field beside the variant's name: `{"how": "exited", "code": 0}`.
macro_rules! in_field {
    ($($(#[$attribute:meta])? $field:ident: $content:ty,)*) => {$(
        pub(crate) mod $field {
            use super::*;

            #[derive(Serialize, Deserialize)]
            struct Stored<'a> {
                $(#[$attribute])?
                $field: Cow<'a, $content>,
            }

            pub(crate) fn serialize<S: Serializer>(content: &$content, to: S) -> Result<S::Ok, S::Error> {
                let $field = Cow::Borrowed(content);
                Stored { $field }.serialize(to)
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$content, D::Error> {
                Stored::deserialize(from).map(|stored| stored.$field.into_owned())
            }
        }
    )*};
}

in_field! {
    code: i32,
    signal: i32,
    cause: String,
    why: String,
    reason: String,
    command: String,
    sign: String,
    need: TaskId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    paths: Vec<String>,
}

/// Tasks and how something shows of them, each pair with names.
pub(crate) mod signs {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Stored<'a> {
        task: Cow<'a, TaskId>,
        sign: Cow<'a, str>,
    }

    pub(crate) fn serialize<S: Serializer>(
        signs: &[(TaskId, String)],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(signs.iter().map(|(task, sign)| Stored {
            task: Cow::Borrowed(task),
            sign: Cow::Borrowed(sign),
        }))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(TaskId, String)>, D::Error> {
        let stored = Vec::<Stored<'static>>::deserialize(from)?;
        let pair = |Stored { task, sign }: Stored<'_>| (task.into_owned(), sign.into_owned());
        Ok(stored.into_iter().map(pair).collect())
    }
}

pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

pub(crate) fn is_zero(value: &u32) -> bool {
    *value == 0
}
