package main

import (
	"sync"
	"time"

	"github.com/IBM/sarama"
)

func saramaProduce(w work) {
	value, config := values(w.size), sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	if w.lz4 {
		config.Producer.Compression = sarama.CompressionLZ4
	}
	producer, err := sarama.NewAsyncProducer([]string{w.broker}, config)
	must(err)
	for i := range w.count {
		select {
		case producer.Input() <- &sarama.ProducerMessage{Topic: w.topic, Value: sarama.ByteEncoder(value(i))}:
		case err := <-producer.Errors():
			must(err)
		}
	}
	must(producer.Close())
}

// saramaConsume reads each partition to the end that it has now.
func saramaConsume(w work) {
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	client, err := sarama.NewClient([]string{w.broker}, config)
	must(err)
	consumer, err := sarama.NewConsumerFromClient(client)
	must(err)
	partitions, err := client.Partitions(w.topic)
	must(err)
	var done sync.WaitGroup
	messages, bytes := make([]int, len(partitions)), make([]int, len(partitions))
	for at, partition := range partitions {
		end, err := client.GetOffset(w.topic, partition, sarama.OffsetNewest)
		must(err)
		if end == 0 {
			continue
		}
		records, err := consumer.ConsumePartition(w.topic, partition, sarama.OffsetOldest)
		must(err)
		done.Go(func() {
			for message := range records.Messages() {
				messages[at]++
				bytes[at] += len(message.Value)
				if message.Offset+1 >= end {
					return
				}
			}
		})
	}
	done.Wait()
	allMessages, allBytes := 0, 0
	for at := range partitions {
		allMessages, allBytes = allMessages+messages[at], allBytes+bytes[at]
	}
	printRead(allMessages, allBytes)
}
