// Package main puts work on the Go clients: `peers CLIENT OPERATION BROKER TOPIC COUNT BYTES none|lz4`.
package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"
)

// work is what a client is asked to do.
type work struct {
	broker, topic string
	count, size   int
	lz4           bool
}

func main() {
	if len(os.Args) != 8 {
		fmt.Fprintln(os.Stderr, "usage: peers CLIENT OPERATION BROKER TOPIC COUNT BYTES none|lz4")
		os.Exit(2)
	}
	w := work{broker: os.Args[3], topic: os.Args[4], count: number(os.Args[5]), size: number(os.Args[6]), lz4: os.Args[7] == "lz4"}
	switch os.Args[1] + " " + os.Args[2] {
	case "franz-go produce":
		franzProduce(w)
	case "franz-go consume":
		franzConsume(w)
	case "franz-go latency":
		franzLatency(w)
	case "kafka-go produce":
		kafkaGoProduce(w)
	case "kafka-go consume":
		kafkaGoConsume(w)
	case "sarama produce":
		saramaProduce(w)
	case "sarama consume":
		saramaConsume(w)
	default:
		fmt.Fprintln(os.Stderr, "no such client or operation")
		os.Exit(2)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	must(err)
	return n
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// group is one that nobody else has.
func group() string {
	return "peer-" + strconv.FormatInt(time.Now().UnixNano(), 10)
}

func printRead(messages, bytes int) {
	fmt.Println("read", messages, bytes)
}

// printLatencies prints the median and the 99th percentile, in microseconds.
func printLatencies(latencies []time.Duration) {
	slices.Sort(latencies)
	at := func(percent int) int64 {
		return latencies[min(len(latencies)*percent/100, len(latencies)-1)].Microseconds()
	}
	fmt.Println("latency", at(50), at(99))
}
