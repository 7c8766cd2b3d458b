package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// balancer is what chooses partitions in one of the libraries.
type balancer struct {
	name string
	// prepare makes the library's messages of the keys, and returns what chooses the partition of one of them among count.
	prepare func(keys [][]byte, count int) func(at int) int
}

var balancers = map[string][]balancer{
	"sarama": {
		ofSarama("hash", sarama.NewHashPartitioner),
		ofSarama("reference-hash", sarama.NewReferenceHashPartitioner),
		ofSarama("crc32", sarama.NewConsistentCRCHashPartitioner),
		ofSarama("murmur2", sarama.NewMurmur2Partitioner),
	},
	"kafka-go": {
		ofKafkaGo("hash", func() kafka.Balancer { return &kafka.Hash{} }),
		ofKafkaGo("reference-hash", func() kafka.Balancer { return &kafka.ReferenceHash{} }),
		ofKafkaGo("crc32", func() kafka.Balancer { return kafka.CRC32Balancer{} }),
		ofKafkaGo("crc32-consistent", func() kafka.Balancer { return kafka.CRC32Balancer{Consistent: true} }),
		ofKafkaGo("murmur2", func() kafka.Balancer { return kafka.Murmur2Balancer{} }),
		ofKafkaGo("murmur2-consistent", func() kafka.Balancer { return kafka.Murmur2Balancer{Consistent: true} }),
		ofKafkaGo("round-robin", func() kafka.Balancer { return &kafka.RoundRobin{} }),
		ofKafkaGo("least-bytes", func() kafka.Balancer { return &kafka.LeastBytes{} }),
	},
	"franz-go": {
		ofFranz("sticky", kgo.StickyKeyPartitioner(nil)),
		ofFranz("hash", kgo.StickyKeyPartitioner(kgo.SaramaCompatHasher(fnv1a))),
	},
}

func ofSarama(name string, construct sarama.PartitionerConstructor) balancer {
	return balancer{name, func(keys [][]byte, count int) func(int) int {
		partitioner := construct("topic")
		messages := make([]*sarama.ProducerMessage, len(keys))
		for at, key := range keys {
			messages[at] = &sarama.ProducerMessage{Topic: "topic"}
			if key != nil {
				messages[at].Key = sarama.ByteEncoder(key)
			}
		}
		return func(at int) int {
			partition, err := partitioner.Partition(messages[at], int32(count))
			if err != nil {
				panic(err)
			}
			return int(partition)
		}
	}}
}

func ofKafkaGo(name string, construct func() kafka.Balancer) balancer {
	return balancer{name, func(keys [][]byte, count int) func(int) int {
		balancer, partitions := construct(), make([]int, count)
		for partition := range partitions {
			partitions[partition] = partition
		}
		messages := make([]kafka.Message, len(keys))
		for at, key := range keys {
			messages[at] = kafka.Message{Key: key}
		}
		return func(at int) int { return balancer.Balance(messages[at], partitions...) }
	}}
}

func ofFranz(name string, partitioner kgo.Partitioner) balancer {
	return balancer{name, func(keys [][]byte, count int) func(int) int {
		topic := partitioner.ForTopic("topic")
		records := make([]*kgo.Record, len(keys))
		for at, key := range keys {
			records[at] = &kgo.Record{Key: key}
		}
		return func(at int) int { return topic.Partition(records[at], count) }
	}}
}

func fnv1a(key []byte) uint32 {
	hasher := fnv.New32a()
	hasher.Write(key)
	return hasher.Sum32()
}

// choose prints a line for each balancer and number of partitions: its name, the number, where each key goes.
func choose(balancers []balancer, counts string, in io.Reader, out *bufio.Writer) error {
	keys, err := parseKeys(in)
	if err != nil {
		return err
	}
	for _, balancer := range balancers {
		for _, text := range strings.Split(counts, ",") {
			count, err := strconv.Atoi(text)
			if err != nil {
				return err
			}
			pick := balancer.prepare(keys, count)
			fmt.Fprint(out, balancer.name, " ", count)
			for at := range keys {
				out.WriteByte(' ')
				out.WriteString(strconv.Itoa(pick(at)))
			}
			out.WriteByte('\n')
		}
	}
	return out.Flush()
}

// rounds is how often all keys are given to a balancer; the fastest round counts, in which nobody else was in the way.
const rounds = 500

// timePicks prints a line for each balancer: its name, and the nanoseconds that a choice takes.
func timePicks(balancers []balancer, text string, in io.Reader, out *bufio.Writer) error {
	keys, err := parseKeys(in)
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return errors.New("no keys")
	}
	for _, balancer := range balancers {
		pick := balancer.prepare(keys, count)
		sum, fastest := 0, time.Duration(math.MaxInt64)
		for range rounds {
			begin := time.Now()
			for at := range keys {
				sum += pick(at)
			}
			fastest = min(fastest, time.Since(begin))
		}
		if sum < 0 {
			return errors.New("a partition is negative")
		}
		fmt.Fprintf(out, "%s %.3f\n", balancer.name, float64(fastest.Nanoseconds())/float64(len(keys)))
	}
	return out.Flush()
}

// parseKeys reads a key from each line: in hex, or - for an absent one.
func parseKeys(in io.Reader) ([][]byte, error) {
	var keys [][]byte
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if scanner.Text() == "-" {
			keys = append(keys, nil)
			continue
		}
		// An empty key is not nil.
		key := make([]byte, len(scanner.Bytes())/2)
		if _, err := hex.Decode(key, scanner.Bytes()); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, scanner.Err()
}
