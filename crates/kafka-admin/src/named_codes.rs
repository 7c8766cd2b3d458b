//! Small numbers of the wire that have names: open, since newer brokers have more of them.

/// Makes a newtype over `i8`: a constant for each known number, its name as text, both ways.
macro_rules! named_codes {
    ($(#[$doc:meta])* $type:ident { $($(#[$constant_doc:meta])* $constant:ident = $number:literal, $name:literal;)+ }) => {
        $(#[$doc])*
        ///
        /// It is open: a number without a name here is kept as it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(
            /// The number on the wire.
            pub i8,
        );

        impl $type {
            $(
                #[doc = concat!("`", $name, "`, ", $number, " on the wire.")]
                $(#[$constant_doc])*
                pub const $constant: Self = Self($number);
            )+

            /// Everything that has a name here.
            pub const ALL_NAMED: &'static [Self] = &[$(Self::$constant),+];

            /// Its name, if it has one here.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)+
                    _ => None,
                }
            }

            /// What has this name; the case does not matter, and `_` stands for `-`.
            pub fn from_name(name: &str) -> Option<Self> {
                let plain = name.to_ascii_lowercase().replace('_', "-");
                Self::ALL_NAMED.iter().copied().find(|known| known.name() == Some(plain.as_str()))
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => write!(f, "{}", self.0),
                }
            }
        }
    };
}

pub(crate) use named_codes;

#[cfg(test)]
mod tests {
    use crate::acls::AclOperation;

    #[test]
    fn names_both_ways_and_numbers_without_one() {
        for code in AclOperation::ALL_NAMED {
            assert_eq!(AclOperation::from_name(&code.to_string()), Some(*code));
        }
        assert_eq!(AclOperation::from_name("Cluster_Action"), Some(AclOperation::CLUSTER_ACTION));
        assert_eq!((AclOperation::from_name("fly"), AclOperation(99).to_string()), (None, "99".to_owned()));
    }
}
