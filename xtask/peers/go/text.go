package main

// values cuts messages of size bytes from 4 MB of made-up prose, of which codecs make a half to a quarter. The text, and
// the generator that it comes from, are those of the Rust programs (../rust/text).
func values(size int) func(int) []byte {
	seed := uint32(12345)
	next := func(n uint32) uint32 {
		seed = seed*1664525 + 1013904223
		return (seed >> 8) % n
	}
	words := make([][]byte, 256)
	for i := range words {
		for n := 3 + next(8); n > 0; n-- {
			words[i] = append(words[i], 'a'+byte(next(26)))
		}
		words[i] = append(words[i], ' ')
	}
	text := make([]byte, 0, 4<<20+16)
	for len(text) < 4<<20 {
		text = append(text, words[next(256)]...)
	}
	room := len(text)/size - 1
	return func(i int) []byte {
		at := i % room * size
		return text[at : at+size]
	}
}
