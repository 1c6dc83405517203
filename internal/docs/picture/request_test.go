package picture_test

import (
	"bytes"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"latchkey/internal/docs/picture"
)

// update writes the pictures anew: make picture.
var update = flag.Bool("update", false, "draw the pictures of the manual")

// check compares a picture with the one that is stored in the manual. With update it stores it.
func check(t *testing.T, name string, drawn []byte) {
	t.Helper()
	file := filepath.Join("..", name)
	if *update {
		if err := os.WriteFile(file, drawn, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if stored, err := os.ReadFile(file); err != nil || !bytes.Equal(stored, drawn) {
		t.Errorf("%s is not what is drawn now (%v): run make picture", name, err)
	}
	if err := xml.Unmarshal(drawn, new(struct{})); err != nil {
		t.Errorf("the picture is no XML: %v", err)
	}
}

func TestThePictureOfARequestIsTheOneThatIsDrawn(t *testing.T) {
	check(t, "request.svg", picture.Request())
}

// The packages of the picture exist.
func TestThePictureOfARequestShowsRoomsThatExist(t *testing.T) {
	for _, name := range picture.Rooms() {
		if _, err := os.Stat(filepath.Join("..", "..", name)); err != nil {
			t.Error(err)
		}
	}
}
