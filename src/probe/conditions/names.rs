//! What a condition may name, and of which kind it is.

/// What a kind of probe calls something that its checks find.
#[derive(Debug)]
pub(in crate::probe) struct Name {
    pub(in crate::probe) name: &'static str,
    pub(in crate::probe) of: Type,
    /// It is another one in every check, and kept beside the message anyway: the message does not say it.
    pub(in crate::probe) measured: bool,
}

impl Name {
    pub(in crate::probe) const fn new(name: &'static str, of: Type) -> Name {
        Name { name, of, measured: false }
    }

    /// A time that is measured.
    pub(in crate::probe) const fn measured(name: &'static str) -> Name {
        Name { name, of: Type::Number, measured: true }
    }
}

/// Of which kind a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::probe) enum Type {
    /// Known in the check only.
    Anything,
    Null,
    Truth,
    Number,
    Text,
    List,
    Object,
    /// Texts by name.
    Fields,
}

impl Type {
    pub(super) fn words(self) -> &'static str {
        match self {
            Type::Anything => "anything",
            Type::Null => "null",
            Type::Truth => "true or false",
            Type::Number => "a number",
            Type::Text => "text",
            Type::List => "a list",
            Type::Object => "an object",
            Type::Fields => "a table of texts",
        }
    }

    /// Whether values of the two can be equal.
    pub(super) fn meets(self, other: Type) -> bool {
        // A name whose kind is known is never null: it is there, or it is missing.
        self == other || self == Type::Anything || other == Type::Anything
    }

    pub(super) fn may_be(self, wanted: Type) -> bool {
        self.meets(wanted)
    }
}
