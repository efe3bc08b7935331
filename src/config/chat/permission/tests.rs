//! Each rule alone and before the others, as a table for each question.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::*;
use crate::config::chat::options::History;

const NOBODY: Permission = Permission {
    client: false,
    subscriber: false,
    anonymous: false,
};
const USERS: Permission = Permission {
    client: true,
    ..NOBODY
};
const MEMBERS: Permission = Permission {
    subscriber: true,
    ..NOBODY
};
const ANYBODY: Permission = Permission {
    anonymous: true,
    ..USERS
};
const ANY_MEMBER: Permission = Permission {
    anonymous: true,
    ..MEMBERS
};
/// Says nothing by itself.
const ANONYMOUS: Permission = Permission {
    anonymous: true,
    ..NOBODY
};

fn history() -> Option<History> {
    Some(History {
        size: NonZeroUsize::MIN,
        ttl: Duration::from_secs(1),
        meta_ttl: Duration::from_secs(1),
    })
}

fn ask<T>(name: &str, options: &Options, trust: Trust, ask: impl FnOnce(Channel<'_>) -> T) -> T {
    let names = Names::default();
    ask(Channel {
        name,
        options,
        names: &names,
        trust,
    })
}

/// Goal: a private channel asks for a token, and a good token for nothing else; then whom the name is
/// for decides, then who may subscribe, then insecure mode.
#[test]
fn subscribe() {
    use Proof::{Nothing, Token};
    use Trust::{Insecure, Playground, Rules};

    // Name, who may subscribe, whether names say who they are for, trust, user, proof.
    type Case = (
        &'static str,
        Permission,
        bool,
        Trust,
        &'static str,
        Proof,
        bool,
    );
    let cases: &[Case] = &[
        ("$a", ANYBODY, false, Rules, "42", Nothing, false),
        ("$a", ANYBODY, false, Insecure, "42", Nothing, false),
        ("$a", NOBODY, false, Rules, "42", Token, true),
        ("$a", NOBODY, false, Playground, "", Nothing, true),
        ("$a#42", ANYBODY, true, Insecure, "42", Nothing, false),
        ("a", NOBODY, false, Rules, "", Token, true),
        ("a#43", NOBODY, true, Rules, "42", Token, true),
        ("a#42", NOBODY, true, Rules, "42", Nothing, true),
        ("a#41,42", NOBODY, true, Rules, "42", Nothing, true),
        ("a#43", ANYBODY, true, Rules, "42", Nothing, false),
        ("a#43", ANYBODY, true, Insecure, "42", Nothing, true),
        ("a#", ANYBODY, true, Rules, "", Nothing, false),
        ("a#42", NOBODY, false, Rules, "42", Nothing, false),
        ("a#43", USERS, false, Rules, "42", Nothing, true),
        ("a", NOBODY, false, Rules, "42", Nothing, false),
        ("a", NOBODY, false, Insecure, "", Nothing, true),
        ("a", NOBODY, false, Playground, "", Nothing, true),
        ("a", USERS, false, Rules, "42", Nothing, true),
        ("a", USERS, false, Rules, "", Nothing, false),
        ("a", ANYBODY, false, Rules, "", Nothing, true),
        ("a", ANONYMOUS, false, Rules, "", Nothing, false),
    ];
    for &(name, subscribe, limited, trust, user, proof, expected) in cases {
        let options = Options {
            subscribe,
            allow_user_limited_channels: limited,
            ..Options::default()
        };
        let answer = ask(name, &options, trust, |channel| {
            channel.may_subscribe(user, proof)
        });
        let expected = if expected {
            Ok(())
        } else {
            Err(Denied::Permission)
        };
        assert_eq!(
            answer, expected,
            "{name} {subscribe:?} {limited} {trust:?} {user:?} {proof:?}"
        );
    }
}

/// Who may, as whom and from where; the same for publishing, presence and history.
const PATTERN: &[(Permission, &str, Standing, bool)] = &[
    (NOBODY, "42", Standing::Subscribed, false),
    (USERS, "42", Standing::Outside, true),
    (USERS, "42", Standing::Subscribed, true),
    (USERS, "", Standing::Subscribed, false),
    (MEMBERS, "42", Standing::Outside, false),
    (MEMBERS, "42", Standing::Subscribed, true),
    (MEMBERS, "", Standing::Subscribed, false),
    (ANYBODY, "", Standing::Outside, true),
    (ANY_MEMBER, "", Standing::Outside, false),
    (ANY_MEMBER, "", Standing::Subscribed, true),
    (ANY_MEMBER, "42", Standing::Subscribed, true),
    (ANONYMOUS, "", Standing::Subscribed, false),
    (ANONYMOUS, "42", Standing::Subscribed, false),
    (Permission::ALL, "", Standing::Outside, true),
];

/// Goal: publishing, presence and history have the same rules, each by options of its own, which
/// insecure mode leaves out.
#[test]
fn publish_presence_and_history() {
    for &(permission, user, standing, expected) in PATTERN {
        let publish = Options {
            publish: permission,
            ..Options::default()
        };
        let presence = Options {
            presence: true,
            read_presence: permission,
            ..Options::default()
        };
        let kept = Options {
            history: history(),
            read_history: permission,
            ..Options::default()
        };
        for trust in [Trust::Rules, Trust::Insecure, Trust::Playground] {
            let expected = match trust {
                Trust::Rules if !expected => Err(Denied::Permission),
                _ => Ok(()),
            };
            let about = format!("{permission:?} {user:?} {standing:?} {trust:?}");
            let answers = [
                ask("a", &publish, trust, |channel| {
                    channel.may_publish(user, standing)
                }),
                ask("a", &presence, trust, |channel| {
                    channel.may_read_presence(user, standing)
                }),
                ask("a", &kept, trust, |channel| {
                    channel.may_read_history(user, standing)
                }),
            ];
            assert_eq!(answers, [expected; 3], "{about}");
        }
    }
}

/// Goal: what a channel has nothing of can't be asked for, whoever asks and in whatever mode.
#[test]
fn what_is_not_there_is_not_available() {
    let options = Options {
        read_presence: Permission::ALL,
        read_history: Permission::ALL,
        ..Options::default()
    };
    for trust in [Trust::Rules, Trust::Insecure] {
        let presence = ask("a", &options, trust, |channel| {
            channel.may_read_presence("42", Standing::Subscribed)
        });
        let kept = ask("a", &options, trust, |channel| {
            channel.may_read_history("42", Standing::Subscribed)
        });
        assert_eq!([presence, kept], [Err(Denied::NotAvailable); 2]);
    }
}

const ALL_WISHES: Wish = Wish {
    positioned: true,
    recoverable: true,
    join_leave: true,
};

/// Goal: a subscription comes with what is forced, and with what it asks for where that is allowed
/// or what it would be good for may be read anyway.
#[test]
fn terms() {
    let kept = || Options {
        history: history(),
        ..Options::default()
    };
    let terms = |options: &Options, user: &str, wish| {
        ask("a", options, Trust::Rules, |channel| {
            channel.terms(user, wish, Overrides::default())
        })
    };
    let nothing = Terms::default();
    let recoverable = Terms {
        positioned: true,
        recovery: Some(RecoveryMode::Stream),
        ..nothing
    };
    let positioned = Terms {
        positioned: true,
        ..nothing
    };
    assert_eq!(terms(&kept(), "42", ALL_WISHES), nothing);
    let forced = Options {
        force_recovery: true,
        ..kept()
    };
    assert_eq!(terms(&forced, "", Wish::default()), recoverable);
    let allowed = Options {
        allow_positioning: true,
        ..kept()
    };
    assert_eq!(terms(&allowed, "", ALL_WISHES), positioned);
    assert_eq!(terms(&allowed, "", Wish::default()), nothing);
    let readable = Options {
        read_history: MEMBERS,
        ..kept()
    };
    assert_eq!(terms(&readable, "42", ALL_WISHES), recoverable);
    assert_eq!(terms(&readable, "", ALL_WISHES), nothing);
    let empty = Options {
        force_recovery: true,
        force_positioning: true,
        ..Options::default()
    };
    assert_eq!(terms(&empty, "42", ALL_WISHES), nothing);
    let cache = Options {
        force_recovery: true,
        recovery_mode: RecoveryMode::Cache,
        auto_cache_recover: true,
        ..kept()
    };
    let Terms {
        recovery,
        auto_cache_recover,
        ..
    } = terms(&cache, "42", Wish::default());
    assert_eq!(
        (recovery, auto_cache_recover),
        (Some(RecoveryMode::Cache), true)
    );
}

/// Goal: joins and leaves are told to all where that is forced, and else to those that ask and may
/// ask who is there.
#[test]
fn terms_of_joins_and_leaves() {
    let told = |options: &Options, user: &str, wish| {
        ask("a", options, Trust::Rules, |channel| {
            channel
                .terms(user, wish, Overrides::default())
                .push_join_leave
        })
    };
    let eventful = Options {
        presence: true,
        join_leave: true,
        read_presence: MEMBERS,
        ..Options::default()
    };
    assert!(told(&eventful, "42", ALL_WISHES));
    assert!(!told(&eventful, "", ALL_WISHES));
    assert!(!told(&eventful, "42", Wish::default()));
    let quiet = Options {
        join_leave: false,
        ..eventful.clone()
    };
    assert!(!told(&quiet, "42", ALL_WISHES));
    let forced = Options {
        force_push_join_leave: true,
        ..quiet
    };
    assert!(told(&forced, "", Wish::default()));
}

/// Goal: a token's word goes before the options, both ways.
#[test]
fn overrides_go_first() {
    let options = Options {
        presence: true,
        history: history(),
        force_recovery: true,
        ..Options::default()
    };
    let overrides = Overrides {
        presence: Some(false),
        join_leave: Some(true),
        force_push_join_leave: Some(true),
        force_recovery: Some(false),
        force_positioning: Some(true),
    };
    let terms = ask("a", &options, Trust::Rules, |channel| {
        channel.terms("42", Wish::default(), overrides)
    });
    let expected = Terms {
        presence: false,
        join_leave: true,
        push_join_leave: true,
        positioned: true,
        recovery: None,
        auto_cache_recover: false,
    };
    assert_eq!(terms, expected);
}
