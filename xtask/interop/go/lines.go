package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// message is a message of either library. A nil key or value is absent; an empty one is not.
type message struct {
	partition  int32
	offset     int64
	headers    []header
	key, value []byte
}

type header struct {
	key   string
	value []byte
}

// null is how Java's tools print what is absent.
const null = "null"

// parseLines reads headers, key and value of each line.
func parseLines(in io.Reader) ([]message, error) {
	var messages []message
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		parts := bytes.SplitN(bytes.Clone(scanner.Bytes()), []byte{'\t'}, 3)
		if len(parts) != 3 {
			return nil, errors.New("a line is headers, key and value")
		}
		headers, err := parseHeaders(parts[0])
		if err != nil {
			return nil, err
		}
		messages = append(messages, message{headers: headers, key: absent(parts[1]), value: absent(parts[2])})
	}
	return messages, scanner.Err()
}

func parseHeaders(text []byte) ([]header, error) {
	var headers []header
	for _, pair := range bytes.Split(text, []byte{','}) {
		key, value, ok := bytes.Cut(pair, []byte{':'})
		if !ok {
			return nil, errors.New("a header is key:value")
		}
		headers = append(headers, header{string(key), value})
	}
	return headers, nil
}

func absent(text []byte) []byte {
	if string(text) == null {
		return nil
	}
	return text
}

// printer prints messages; it keeps its first error.
type printer struct{ out *bufio.Writer }

func newPrinter(out io.Writer) printer { return printer{bufio.NewWriter(out)} }

func (p printer) print(m message) {
	fmt.Fprintf(p.out, "Partition:%d\tOffset:%d\t", m.partition, m.offset)
	for i, header := range m.headers {
		if i > 0 {
			p.out.WriteByte(',')
		}
		p.out.WriteString(header.key + ":")
		p.part(header.value)
	}
	p.out.WriteByte('\t')
	p.part(m.key)
	p.out.WriteByte('\t')
	p.part(m.value)
	p.out.WriteByte('\n')
}

func (p printer) part(bytes []byte) {
	if bytes == nil {
		p.out.WriteString(null)
	}
	p.out.Write(bytes)
}

func (p printer) flush() error { return p.out.Flush() }
