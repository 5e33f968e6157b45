// A plain Go program: prints what it is given, and fails if that is nothing.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	if input, _ := io.ReadAll(os.Stdin); len(input) > 0 {
		fmt.Fprintln(os.Stderr, "there should be no input")
		os.Exit(4)
	}
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: orders ID..")
		os.Exit(3)
	}
	for i, id := range os.Args[1:] {
		fmt.Printf("order %d: %s\n", i+1, id)
	}
}
