package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func franzProducer(w work, linger time.Duration) *kgo.Client {
	codec := kgo.NoCompression()
	if w.lz4 {
		codec = kgo.Lz4Compression()
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(w.broker), kgo.DefaultProduceTopic(w.topic), kgo.ProducerLinger(linger),
		kgo.MaxBufferedRecords(250000), kgo.ProducerBatchMaxBytes(1000000), kgo.ProducerBatchCompression(codec))
	must(err)
	return client
}

func franzProduce(w work) {
	ctx, value, client := context.Background(), values(w.size), franzProducer(w, 5*time.Millisecond)
	for i := range w.count {
		client.Produce(ctx, &kgo.Record{Value: value(i)}, func(_ *kgo.Record, err error) { must(err) })
	}
	must(client.Flush(ctx))
	client.Close()
}

func franzLatency(w work) {
	ctx, value, client := context.Background(), values(w.size), franzProducer(w, 0)
	latencies := make([]time.Duration, 0, w.count)
	for i := range w.count {
		called := time.Now()
		must(client.ProduceSync(ctx, &kgo.Record{Value: value(i)}).FirstErr())
		latencies = append(latencies, time.Since(called))
	}
	printLatencies(latencies)
	client.Close()
}

func franzConsume(w work) {
	ctx := context.Background()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.broker), kgo.ConsumeTopics(w.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	must(err)
	messages, bytes := 0, 0
	for messages < w.count {
		fetches := client.PollFetches(ctx)
		must(fetches.Err())
		for it := fetches.RecordIter(); !it.Done(); {
			messages++
			bytes += len(it.Next().Value)
		}
	}
	client.Close()
	printRead(messages, bytes)
}
