package main

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// kafkaGo is kafka-go: a Writer that awaits all replicas, and a Reader for each partition.
type kafkaGo struct{}

func (kafkaGo) write(ctx context.Context, brokers []string, topic, codec string, messages []message) error {
	codecs := map[string]kafka.Compression{
		"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
	}
	compression, ok := codecs[codec]
	if !ok {
		return fmt.Errorf("no codec %q", codec)
	}
	writer := &kafka.Writer{
		Addr: kafka.TCP(brokers...), Topic: topic, Balancer: &kafka.Murmur2Balancer{}, Compression: compression,
		RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond,
	}
	all := make([]kafka.Message, len(messages))
	for i, m := range messages {
		all[i] = kafka.Message{Key: m.key, Value: m.value}
		for _, header := range m.headers {
			all[i].Headers = append(all[i].Headers, kafka.Header{Key: header.key, Value: header.value})
		}
	}
	if err := writer.WriteMessages(ctx, all...); err != nil {
		return err
	}
	return writer.Close()
}

func (kafkaGo) read(ctx context.Context, brokers []string, topic string, count int, each func(message)) error {
	connection, err := kafka.DialContext(ctx, "tcp", brokers[0])
	if err != nil {
		return err
	}
	partitions, err := connection.ReadPartitions(topic)
	connection.Close()
	if err != nil {
		return err
	}
	for _, partition := range partitions {
		read, err := readPartition(ctx, brokers, topic, partition, each)
		if err != nil {
			return err
		}
		count -= read
	}
	if count != 0 {
		return fmt.Errorf("%d messages more than the partitions hold", count)
	}
	return nil
}

// readPartition reads up to the end that the partition has now.
func readPartition(
	ctx context.Context, brokers []string, topic string, partition kafka.Partition, each func(message),
) (int, error) {
	leader, err := kafka.DialPartition(ctx, "tcp", brokers[0], partition)
	if err != nil {
		return 0, err
	}
	first, last, err := leader.ReadOffsets()
	leader.Close()
	if err != nil {
		return 0, err
	}
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: brokers, Topic: topic, Partition: partition.ID, MaxWait: 100 * time.Millisecond,
	})
	defer reader.Close()
	for offset := first; offset < last; offset++ {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			return 0, err
		}
		read := message{partition: int32(m.Partition), offset: m.Offset, key: m.Key, value: m.Value}
		for _, h := range m.Headers {
			read.headers = append(read.headers, header{h.Key, h.Value})
		}
		each(read)
	}
	return int(last - first), nil
}
