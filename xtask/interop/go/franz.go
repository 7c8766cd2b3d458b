package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// franz is franz-go, with its defaults: an idempotent producer, a consumer with fetch sessions.
type franz struct{}

func (franz) write(ctx context.Context, brokers []string, topic, codec string, messages []message) error {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	compression, ok := codecs[codec]
	if !ok {
		return fmt.Errorf("no codec %q", codec)
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(compression))
	if err != nil {
		return err
	}
	defer client.Close()
	records := make([]*kgo.Record, len(messages))
	for i, m := range messages {
		records[i] = &kgo.Record{Key: m.key, Value: m.value}
		for _, header := range m.headers {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: header.key, Value: header.value})
		}
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

func (franz) read(ctx context.Context, brokers []string, topic string, count int, each func(message)) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	for count > 0 {
		fetches := client.PollRecords(ctx, count)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			m := message{partition: record.Partition, offset: record.Offset, key: record.Key, value: record.Value}
			for _, h := range record.Headers {
				m.headers = append(m.headers, header{h.Key, h.Value})
			}
			each(m)
			count--
		})
	}
	return nil
}
