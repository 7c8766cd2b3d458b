//! Sequence numbers and epochs, one case at a time.

use super::log::producer;
use super::*;
use crate::accumulator::identity::Refusal;

/// A world in which a message was just written, so that the broker knows the producer.
fn known() -> World {
    let world = World::with(2, Idempotence::Require);
    assert!(world.partitions[0].release(Sequence::confirmed_at(IDENTITY, 1)));
    world
}

/// Batches of one message each, all in flight.
fn in_flight(world: &mut World, count: u64) -> Vec<Sent> {
    let sent = (1..=count).map(|number| {
        let sent = world.append(0, number);
        world.advance(5);
        sent
    });
    sent.collect()
}

/// Epoch and base sequence of the first batch of each request.
fn numbering(world: &World) -> Vec<(i16, i32)> {
    let numbering = |request: &ProduceBatches| {
        let producer = producer(&request.batches[0].records);
        (producer.producer_epoch, producer.base_sequence)
    };
    world.wire.iter().map(numbering).collect()
}

#[test]
fn five_batches_are_in_flight_once_the_first_is_confirmed() {
    let mut world = World::with(1, Idempotence::Require);
    (0..4).for_each(|_| drop(in_flight(&mut world, 1)));
    assert_eq!(numbering(&world), [(0, 0)], "the broker would take any number for the first");
    world.answer(0, |_| Ok(Some(0)));
    in_flight(&mut world, 7);
    assert_eq!(numbering(&world), [(0, 1), (0, 4), (0, 5), (0, 6), (0, 7)]);
    assert_eq!(world.wire.iter().map(|request| request.batches.len()).max(), Some(1));
}

#[test]
fn a_lost_answer_costs_nothing() {
    let mut world = known();
    let sent = in_flight(&mut world, 3);
    let bytes = world.wire[0].batches[0].records.clone();
    (0..3).for_each(|_| world.answer(0, |_| Err(lost())));
    world.advance(50);
    assert_eq!(numbering(&world), [(0, 1), (0, 2), (0, 3)], "all of them again, in their order");
    assert_eq!(world.wire[0].batches[0].records, bytes);
    world.answer(0, |_| produce::outcome(ErrorCode::DUPLICATE_SEQUENCE_NUMBER, -1));
    world.answer(0, |_| Ok(Some(2)));
    world.answer(0, |_| Ok(Some(3)));
    let outcomes: Vec<_> = sent.iter().map(|sent| sent.outcome().unwrap().unwrap()).collect();
    assert_eq!(outcomes, [None, Some(2), Some(3)]);
}

#[test]
fn answers_out_of_order_wait_for_the_first() {
    let mut world = known();
    let sent = in_flight(&mut world, 3);
    world.accumulator.config.retries = 1;
    world.answer(0, |_| Err(refused(ErrorCode::NOT_ENOUGH_REPLICAS)));
    (0..2).for_each(|_| world.answer(0, |_| Err(refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER))));
    world.advance(50);
    assert_eq!(numbering(&world), [(0, 1), (0, 2), (0, 3)], "the same epoch");
    (0..3).for_each(|_| world.answer(0, |_| Ok(Some(1))));
    assert!(
        sent.iter().all(|sent| sent.outcome() == Some(Ok(Some(1)))),
        "those behind it have not failed by themselves"
    );
}

#[test]
fn a_state_that_is_lost_begins_another_epoch_for_its_partition_alone() {
    for code in [ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode::UNKNOWN_PRODUCER_ID] {
        let mut world = known();
        world.append(1, 100);
        world.advance(5);
        world.answer(0, |_| Ok(Some(0)));
        let sent = in_flight(&mut world, 2);
        (0..2).for_each(|_| world.answer(0, |_| Err(refused(code))));
        world.advance(50);
        assert_eq!(numbering(&world), [(1, 0)]);
        world.answer(0, |_| Ok(Some(5)));
        assert_eq!(numbering(&world), [(1, 1)]);
        world.answer(0, |_| Ok(Some(6)));
        assert_eq!(sent.iter().map(|sent| sent.outcome()).collect::<Vec<_>>(), [Some(Ok(Some(5))), Some(Ok(Some(6)))]);
        world.append(1, 101);
        world.advance(5);
        assert_eq!(numbering(&world), [(0, 1)], "the other partition counts on");
    }
}

#[test]
fn what_may_be_in_the_log_is_not_sent_under_another_epoch() {
    let mut world = known();
    let sent = in_flight(&mut world, 2);
    world.answer(0, |_| Err(lost()));
    world.answer(0, |_| Err(refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)));
    world.advance(50);
    world.answer(0, |_| Err(refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)));
    world.answer(0, |_| Err(refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)));
    assert_eq!(sent[0].outcome(), Some(Err(Fate::PossiblyPersisted)));
    world.advance(200);
    assert_eq!(numbering(&world), [(1, 0)]);
    assert_eq!(numbers(&world.wire[0].batches[0].records), [2]);
}

#[test]
fn a_gap_is_closed_by_another_epoch() {
    let mut world = known();
    let sent = in_flight(&mut world, 3);
    world.answer(0, |_| Err(refused(ErrorCode::INVALID_RECORD)));
    assert_eq!(numbering(&world).len(), 2, "nothing is sent before all are back");
    (0..2).for_each(|_| world.answer(0, |_| Err(refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER))));
    assert_eq!(numbering(&world), [(1, 0)]);
    world.answer(0, |_| Ok(Some(1)));
    world.answer(0, |_| Ok(Some(2)));
    let outcomes: Vec<_> = sent.iter().map(|sent| sent.outcome().unwrap()).collect();
    assert_eq!(outcomes, [Err(Fate::NotPersisted), Ok(Some(1)), Ok(Some(2))]);
}

#[test]
fn who_is_fenced_gets_another_id() {
    for code in [ErrorCode::INVALID_PRODUCER_EPOCH, ErrorCode::PRODUCER_FENCED, ErrorCode::INVALID_PRODUCER_ID_MAPPING]
    {
        let mut world = known();
        let sent = in_flight(&mut world, 1);
        world.answer(0, |_| Err(refused(code)));
        world.advance(50);
        // The cluster of this test gives the same id again: what matters is that it was asked.
        assert_eq!(numbering(&world), [(0, 0)]);
        world.answer(0, |_| Ok(Some(1)));
        assert_eq!(sent[0].outcome(), Some(Ok(Some(1))));
    }
}

#[test]
fn a_partition_follows_its_leader_when_nothing_is_in_flight() {
    let mut world = known();
    in_flight(&mut world, 2);
    world.leaders[0] = Some(BrokerId(2));
    world.describe();
    world.append(0, 3);
    world.advance(5);
    assert!(world.wire.iter().all(|request| request.broker == BrokerId(1)));
    world.answer(0, |_| Ok(Some(1)));
    assert_eq!(world.wire.len(), 1, "one is still with the old leader");
    world.answer(0, |_| Err(refused(ErrorCode::NOT_LEADER_OR_FOLLOWER)));
    world.advance(50);
    assert!(world.wire.iter().all(|request| request.broker == BrokerId(2)));
    assert_eq!(numbering(&world), [(0, 2), (0, 3)]);
}

#[test]
fn metadata_that_loses_a_topic_for_a_while_resets_nothing() {
    let mut world = known();
    let first = in_flight(&mut world, 1);
    world.leaders[0] = None;
    world.describe();
    world.answer(0, |_| Err(refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)));
    world.append(0, 2);
    world.advance(500);
    assert!(world.wire.is_empty());
    world.leaders[0] = Some(BrokerId(1));
    world.describe();
    world.drain();
    assert_eq!(numbering(&world), [(0, 1), (0, 2)]);
    world.answer(0, |_| Ok(Some(1)));
    assert_eq!(first[0].outcome(), Some(Ok(Some(1))));
}

#[test]
fn a_topic_made_anew_is_approached_with_care() {
    let mut world = known();
    in_flight(&mut world, 2);
    world.topic_id = Uuid::from_bytes([2; 16]);
    world.describe();
    (0..2).for_each(|_| world.answer(0, |_| Err(refused(ErrorCode::UNKNOWN_TOPIC_ID))));
    world.advance(50);
    assert_eq!(numbering(&world), [(0, 1)], "its broker may know nothing of the producer");
    assert_eq!(world.wire[0].batches[0].topic_id, world.topic_id);
    world.answer(0, |_| Ok(Some(0)));
    assert_eq!(numbering(&world), [(0, 2)]);
}

#[test]
fn what_expires_in_flight_and_is_written_leaves_no_gap() {
    let mut world = known();
    let first = in_flight(&mut world, 1);
    world.advance(2000);
    assert_eq!(first[0].outcome(), Some(Err(Fate::PossiblyPersisted)));
    world.append(0, 2);
    world.advance(5);
    world.answer(0, |_| Ok(Some(1)));
    world.advance(5);
    assert_eq!(numbering(&world), [(0, 2)], "the same epoch");
}

#[test]
fn what_expires_between_attempts_leaves_a_gap() {
    let mut world = known();
    let first = in_flight(&mut world, 1);
    world.leaders[0] = None;
    world.answer(0, |_| Err(refused(ErrorCode::LEADER_NOT_AVAILABLE)));
    world.advance(2000);
    assert_eq!(first[0].outcome(), Some(Err(Fate::NotPersisted)));
    world.leaders[0] = Some(BrokerId(1));
    world.describe();
    world.append(0, 2);
    world.advance(5);
    assert_eq!(numbering(&world), [(1, 0)]);
}

#[test]
fn numbers_start_over_after_the_largest() {
    let mut world = World::with(1, Idempotence::Require);
    assert!(world.partitions[0].release(Sequence::at(IDENTITY, i32::MAX)));
    world.append(0, 0);
    world.append(0, 1);
    world.advance(5);
    assert_eq!(numbering(&world), [(0, i32::MAX)]);
    world.answer(0, |_| Ok(Some(0)));
    in_flight(&mut world, 1);
    assert_eq!(numbering(&world), [(0, 1)]);
}

#[test]
fn a_batch_too_large_is_split_in_place() {
    let mut world = known();
    let sent: Vec<_> = (1..=4).map(|number| world.append(0, number)).collect();
    let behind = world.append(0, 5);
    world.advance(5);
    world.answer(0, |_| Err(refused(ErrorCode::MESSAGE_TOO_LARGE)));
    assert_eq!(numbering(&world).len(), 1, "the one behind it waits");
    world.answer(0, |_| Err(refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)));
    world.advance(50);
    assert_eq!(numbering(&world), [(0, 1), (0, 3), (0, 5)], "the numbers that they had");
    let carried: Vec<_> = world.wire.iter().map(|request| numbers(&request.batches[0].records)).collect();
    assert_eq!(carried, [vec![1, 2], vec![3, 4], vec![5]]);
    world.answer(0, |_| Ok(Some(10)));
    assert_eq!(sent[0].outcome(), None, "the result is that of the whole batch");
    world.answer(0, |_| Ok(Some(20)));
    world.answer(0, |_| Ok(Some(30)));
    let offsets: Vec<_> = sent.iter().chain([&behind]).map(|sent| sent.outcome().unwrap().unwrap().unwrap()).collect();
    assert_eq!(offsets, [10, 11, 20, 21, 30]);
    assert_eq!(world.released, world.charged);
}

#[test]
fn a_message_that_is_too_large_for_the_broker_fails_alone() {
    let mut world = known();
    let sent: Vec<_> = (1..=2).map(|number| world.append(0, number)).collect();
    world.advance(5);
    world.answer(0, |_| Err(refused(ErrorCode::MESSAGE_TOO_LARGE)));
    while !world.wire.is_empty() {
        world.answer(0, |batch| match numbers(&batch.records)[..] {
            [1] => Err(refused(ErrorCode::MESSAGE_TOO_LARGE)),
            _ => Ok(Some(1)),
        });
    }
    assert_eq!(sent.iter().map(Sent::outcome).collect::<Vec<_>>(), [Some(Err(Fate::NotPersisted)), Some(Ok(Some(1)))]);
}

#[test]
fn a_cluster_that_refuses_ends_only_what_requires_it() {
    for (idempotence, written) in [(Idempotence::Prefer, true), (Idempotence::Require, false)] {
        let mut world = World::with(1, idempotence);
        // Asked by hand: the drain would answer well.
        world.accumulator.identity.want(world.now);
        assert!(world.accumulator.poll_ask(world.now));
        let sent = world.append(0, 0);
        world.advance(5);
        assert!(world.wire.is_empty(), "it waits for the answer");
        let refused = Refusal::Refused(Error::new(ErrorKind::NoProducerId));
        world.accumulator.handle_identity(world.now, Err(refused));
        world.drain();
        if written {
            assert_eq!(numbering(&world), [(-1, -1)]);
            continue;
        }
        assert_eq!(sent.outcome(), Some(Err(Fate::NotPersisted)));
        assert!(world.accumulator.is_idle());
    }
}
