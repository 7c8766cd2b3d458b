//! What happens when, one case at a time.

use super::*;

#[test]
fn a_batch_lingers_and_is_sent() {
    let mut world = World::new(1);
    let sent: Vec<_> = (0..3).map(|number| world.append(0, number)).collect();
    world.advance(4);
    assert!(world.wire.is_empty());
    assert_eq!(world.accumulator.poll_timeout(), Some(world.now + Duration::from_millis(1)));
    world.advance(1);
    assert_eq!(numbers(&world.wire[0].batches[0].records), [0, 1, 2]);
    world.answer(0, |_| Ok(Some(100)));
    assert_eq!(
        sent.iter().map(|sent| sent.outcome()).collect::<Vec<_>>(),
        [100, 101, 102].map(|at| Some(Ok(Some(at))))
    );
    assert!(world.accumulator.is_idle() && world.accumulator.poll_timeout().is_none());
    assert_eq!(world.released, world.charged);
}

#[test]
fn a_full_batch_does_not_linger() {
    let mut world = World::new(1);
    (0..4).for_each(|number| drop(world.append(0, number)));
    assert_eq!(numbers(&world.wire[0].batches[0].records), [0, 1, 2, 3]);
}

#[test]
fn while_a_batch_is_in_flight_the_next_one_grows() {
    let mut world = World::new(1);
    world.append(0, 0);
    world.advance(5);
    world.append(0, 1);
    world.advance(50);
    world.append(0, 2);
    assert_eq!(world.wire.len(), 1);
    world.answer(0, |_| Ok(Some(0)));
    assert_eq!(numbers(&world.wire[0].batches[0].records), [1, 2]);
}

#[test]
fn a_request_carries_all_partitions_of_a_broker() {
    let mut world = World::new(4);
    world.leaders[3] = Some(BrokerId(2));
    (0..4).for_each(|partition| drop(world.append(partition, 0)));
    world.advance(5);
    let carried: Vec<_> = world.wire.iter().map(|request| (request.broker.0, request.batches.len())).collect();
    assert_eq!(carried, [(1, 3), (2, 1)]);
}

#[test]
fn a_retry_follows_the_leader_with_the_same_bytes() {
    let mut world = World::new(1);
    let first = world.append(0, 0);
    world.advance(5);
    world.append(0, 1);
    let bytes = world.wire[0].batches[0].records.clone();
    world.answer(0, |_| Err(refused(ErrorCode::NOT_LEADER_OR_FOLLOWER)));
    assert_eq!((world.wire.len(), world.stale), (0, 1));
    world.leaders[0] = Some(BrokerId(2));
    world.advance(12);
    let request = &world.wire[0];
    assert_eq!((request.broker, request.batches.len()), (BrokerId(2), 1));
    assert_eq!(request.batches[0].records.as_ptr(), bytes.as_ptr());
    world.answer(0, |_| Ok(Some(7)));
    assert_eq!(first.outcome(), Some(Ok(Some(7))));
    assert_eq!(numbers(&world.wire[0].batches[0].records), [1]);
}

/// However the news of the next leader and that of the failure come, one behind the other: a pause is for who failed.
#[test]
fn a_retry_waits_for_no_pause_where_another_leader_is_known() {
    for told_first in [true, false] {
        let mut world = World::new(1);
        let first = world.append(0, 0);
        world.advance(5);
        if told_first {
            world.leaders[0] = Some(BrokerId(2));
            world.describe();
        }
        world.answer(0, |_| Err(refused(ErrorCode::NOT_LEADER_OR_FOLLOWER)));
        if !told_first {
            assert!(world.wire.is_empty(), "the broker that failed has its pause");
            // News that change nothing for the partition do not end it.
            world.describe();
            world.drain();
            assert!(world.wire.is_empty());
            world.leaders[0] = Some(BrokerId(2));
            world.describe();
            world.drain();
        }
        assert_eq!(world.wire.iter().map(|request| request.broker).collect::<Vec<_>>(), [BrokerId(2)]);
        // The next leader has its pause, too.
        world.answer(0, |_| Err(refused(ErrorCode::NOT_LEADER_OR_FOLLOWER)));
        assert!(world.wire.is_empty());
        world.advance(1_000);
        world.answer(0, |_| Ok(Some(7)));
        assert_eq!(first.outcome(), Some(Ok(Some(7))));
    }
}

#[test]
fn a_fatal_error_fails_its_batch_alone() {
    let mut world = World::new(2);
    let sent = [world.append(0, 0), world.append(1, 1)];
    world.advance(5);
    while !world.wire.is_empty() {
        world.answer(0, |batch| match batch.partition {
            0 => Err(refused(ErrorCode::MESSAGE_TOO_LARGE)),
            _ => Ok(Some(3)),
        });
    }
    assert_eq!(sent.map(|sent| sent.outcome()), [Some(Err(Fate::NotPersisted)), Some(Ok(Some(3)))]);
}

#[test]
fn retries_are_counted() {
    let mut world = World::new(1);
    world.accumulator.config.retries = 2;
    let sent = world.append(0, 0);
    for attempt in 0..3 {
        world.advance(150);
        assert_eq!((world.wire.len(), sent.outcome()), (1, None), "attempt {attempt}");
        world.answer(0, |_| Err(refused(ErrorCode::NOT_ENOUGH_REPLICAS)));
    }
    assert_eq!(sent.outcome(), Some(Err(Fate::NotPersisted)));
    assert!(world.accumulator.is_idle());
}

#[test]
fn what_follows_an_attempt_of_unknown_fate_stays_unknown() {
    let mut world = World::new(1);
    let sent = world.append(0, 0);
    world.advance(5);
    world.answer(0, |_| Err(refused(ErrorCode::REQUEST_TIMED_OUT)));
    world.advance(50);
    world.answer(0, |_| Err(refused(ErrorCode::TOPIC_AUTHORIZATION_FAILED)));
    assert_eq!(sent.outcome(), Some(Err(Fate::PossiblyPersisted)));
}

#[test]
fn a_batch_that_expires_in_flight_keeps_its_place() {
    let mut world = World::new(1);
    let first = world.append(0, 0);
    world.advance(5);
    world.advance(1900);
    let second = world.append(0, 1);
    world.advance(100);
    assert_eq!((first.outcome(), second.outcome()), (Some(Err(Fate::PossiblyPersisted)), None));
    assert_eq!(world.released, 0);
    world.advance(50);
    assert_eq!(world.wire.len(), 1, "the second one would overtake");
    world.answer(0, |_| Ok(Some(0)));
    assert_eq!(first.outcome(), Some(Err(Fate::PossiblyPersisted)), "the first word counts");
    assert_eq!(numbers(&world.wire[0].batches[0].records), [1]);
}

#[test]
fn what_waits_behind_a_silent_broker_expires_unsent() {
    let mut world = World::new(1);
    world.append(0, 0);
    world.advance(5);
    let waiting: Vec<_> = (1..20).map(|number| world.append(0, number)).collect();
    world.advance(2000);
    assert!(waiting.iter().all(|sent| sent.outcome() == Some(Err(Fate::NotPersisted))));
    world.answer(0, |_| Ok(None));
    assert!(world.accumulator.is_idle());
    assert_eq!(world.released, world.charged);
}

#[test]
fn without_a_leader_metadata_is_asked_for_until_it_helps() {
    let mut world = World::new(1);
    world.leaders[0] = None;
    world.append(0, 0);
    world.advance(5);
    (0..5).for_each(|_| world.advance(60));
    assert!((2..=6).contains(&world.stale), "asked {} times", world.stale);
    let asked = world.stale;
    for _ in 0..5 {
        world.describe();
        world.drain();
    }
    assert_eq!(world.stale, asked, "an answer that does not help is no reason to ask at once");
    world.leaders[0] = Some(BrokerId(1));
    world.describe();
    world.drain();
    assert_eq!(world.wire.len(), 1);
}

#[test]
fn who_expires_for_want_of_a_leader_learns_why() {
    let mut world = World::new(1);
    world.leaders[0] = None;
    let sent = world.append(0, 0);
    world.advance(5);
    world.advance(2000);
    let error = sent.result.outcome(0).unwrap().unwrap_err();
    assert_eq!(error.fate(), Fate::NotPersisted);
    let source = std::error::Error::source(&error).and_then(std::error::Error::source).unwrap();
    let reason = source.downcast_ref::<kafka_conn::Error>().unwrap();
    assert_eq!(reason.kind(), &kafka_conn::ErrorKind::NoLeader);
}

#[test]
fn while_room_is_scarce_nothing_lingers() {
    let mut world = World::new(1);
    world.append(0, 0);
    world.accumulator.handle_scarcity(world.now, true);
    world.drain();
    assert_eq!(numbers(&world.wire[0].batches[0].records), [0]);
    world.append(0, 1);
    world.append(0, 2);
    world.answer(0, |_| Ok(None));
    assert_eq!(numbers(&world.wire[0].batches[0].records), [1, 2], "one request at a time all the same");
    world.answer(0, |_| Ok(None));
    world.accumulator.handle_scarcity(world.now, false);
    world.append(0, 3);
    assert!(world.wire.is_empty());
}

#[test]
fn a_throttled_broker_is_left_alone() {
    let mut world = World::new(1);
    world.append(0, 0);
    world.advance(5);
    world.answer_throttled(0, Duration::from_millis(300), |_| Ok(None));
    world.append(0, 1);
    world.advance(299);
    assert!(world.wire.is_empty());
    assert_eq!(world.accumulator.poll_timeout(), Some(world.now + Duration::from_millis(1)));
    world.advance(1);
    assert_eq!(world.wire.len(), 1);
}

#[test]
fn a_flush_ends_the_lingering() {
    let mut world = World::new(2);
    world.append(0, 0);
    world.append(1, 1);
    assert_eq!(world.accumulator.handle_flush(world.now).len(), 2);
    world.drain();
    assert_eq!(world.wire.iter().map(|request| request.batches.len()).sum::<usize>(), 2);
}

#[test]
fn an_abort_settles_everything() {
    let mut world = World::new(2);
    let in_flight = world.append(0, 0);
    world.advance(5);
    let behind: Vec<_> = (1..10).map(|number| world.append(0, number)).collect();
    let lingering = world.append(1, 0);
    world.accumulator.handle_abort(&ErrorKind::Closed);
    world.drain();
    assert_eq!(in_flight.outcome(), Some(Err(Fate::PossiblyPersisted)));
    assert!(behind.iter().chain([&lingering]).all(|sent| sent.outcome() == Some(Err(Fate::NotPersisted))));
    assert_eq!(world.released, world.charged);
    world.answer(0, |_| Ok(Some(0)));
}

#[test]
fn requests_to_a_broker_are_bounded_and_their_places_come_back() {
    let mut world = World::new(8);
    for partition in 0..8 {
        world.append(partition, 0);
        world.advance(5);
    }
    assert_eq!(world.wire.len(), MAX_REQUESTS);
    world.answer(0, |_| Ok(None));
    assert_eq!(world.wire.len(), MAX_REQUESTS);
    assert_eq!(world.wire[MAX_REQUESTS - 1].batches.len(), 3, "all that waited");
    while !world.wire.is_empty() {
        world.answer(0, |_| Ok(None));
    }
    for number in 1..20 {
        let sent = world.append(0, number);
        world.advance(5);
        world.answer(0, |_| Ok(None));
        assert_eq!(sent.outcome(), Some(Ok(None)));
    }
}
