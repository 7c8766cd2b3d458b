package main

import (
	"context"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

// kafkaGoProduce writes 20,000 messages at a time: its writer has no other way to tell what became of each.
func kafkaGoProduce(w work) {
	value := values(w.size)
	writer := &kafka.Writer{
		Addr: kafka.TCP(w.broker), Topic: w.topic, Balancer: &kafka.RoundRobin{}, BatchSize: 10000, BatchBytes: 1000000,
		BatchTimeout: 5 * time.Millisecond, RequiredAcks: kafka.RequireAll,
	}
	if w.lz4 {
		writer.Compression = kafka.Lz4
	}
	messages := make([]kafka.Message, 20000)
	for i := 0; i < w.count; i += len(messages) {
		messages = messages[:min(len(messages), w.count-i)]
		for j := range messages {
			messages[j] = kafka.Message{Value: value(i + j)}
		}
		must(writer.WriteMessages(context.Background(), messages...))
	}
	must(writer.Close())
}

func kafkaGoConsume(w work) {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{w.broker}, GroupID: group(), Topic: w.topic, MinBytes: 1, MaxBytes: 10e6,
		MaxWait: 100 * time.Millisecond, StartOffset: kafka.FirstOffset, QueueCapacity: 10000, CommitInterval: time.Second,
	})
	messages, bytes := 0, 0
	for messages < w.count {
		message, err := reader.ReadMessage(context.Background())
		must(err)
		messages++
		bytes += len(message.Value)
	}
	printRead(messages, bytes)
	must(reader.Close())
}
