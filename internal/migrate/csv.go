package migrate

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"latchkey/internal/apikey"
)

// csvColumns are the columns that a file may have, and the functions that write their cells as
// values of JSON Lines.
var csvColumns = map[string]func(cell string) (json.RawMessage, error){
	"key": csvText, "sha256": csvText, "id": csvText, "publicKey": csvText, "userId": csvText, "environment": csvText,
	"name": csvText, "description": csvText, "notBefore": csvText, "expiresAt": csvText,
	"scopes": csvList, "allowedCidrs": csvList, "enabled": csvBool, "unlimited": csvBool, "requestsPerMinute": csvLimit,
}

// csvNames are the columns by their [columnName], and by the names of a key file's fields.
var csvNames = func() map[string]string {
	names := map[string]string{"apikey": "key", "keyid": "id", "expiry": "expiresAt"}
	for name := range csvColumns {
		names[columnName(name)] = name
	}
	return names
}()

// columnName returns one spelling for User ID, user_id and userId.
func columnName(written string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(written))
}

func csvText(cell string) (json.RawMessage, error) { return json.Marshal(cell) }

func csvList(cell string) (json.RawMessage, error) {
	return json.Marshal(strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune(" ;|,", r) }))
}

func csvBool(cell string) (json.RawMessage, error) {
	switch strings.ToLower(cell) {
	case "true", "t", "1", "yes":
		return json.RawMessage("true"), nil
	case "false", "f", "0", "no":
		return json.RawMessage("false"), nil
	}
	return nil, errors.New("must be true or false")
}

func csvLimit(cell string) (json.RawMessage, error) {
	n, err := strconv.ParseInt(cell, 10, 64)
	if err != nil || n < 1 || n > apikey.MaxRequests {
		return nil, fmt.Errorf("must be a whole number between 1 and %d", apikey.MaxRequests)
	}
	return json.RawMessage(fmt.Sprintf(`{"requests":%d,"window":60}`, n)), nil
}

// header are the columns of a file.
type header struct {
	written   []string // the names in the file
	columns   []string // the names in csvColumns; "" for a column that is not known or is left out
	separator rune
}

// newHeader reads the first line of a file. The separator is the first comma, semicolon or tab in
// it. There are no columns if the quotes of the line do not match.
func newHeader(line string) header {
	h := header{separator: ','}
	if i := strings.IndexAny(line, ",;\t"); i >= 0 {
		h.separator = rune(line[i])
	}
	cells, err := csvCells([]byte(line), h.separator)
	if err != nil {
		return h
	}
	for _, cell := range cells {
		h.written = append(h.written, strings.TrimSpace(cell))
		h.columns = append(h.columns, csvNames[columnName(cell)])
	}
	return h
}

// csvCells splits one line into cells.
func csvCells(line []byte, separator rune) ([]string, error) {
	r := csv.NewReader(strings.NewReader(string(line)))
	r.Comma = separator
	return r.Read()
}

// csvLines reads the header, and then an entry of each line. It refuses the whole file if the header
// does not name its columns.
func (r *Reader) csvLines() source {
	return func() (entry, error) {
		h, err := r.csvHeader()
		if err != nil {
			return entry{}, err
		}
		r.source = r.eachLine(func(line []byte) (entry, error) {
			f, err := h.fields(line)
			if err != nil {
				return entry{}, err
			}
			return r.entry(f)
		})
		return r.source()
	}
}

// csvHeader reads lines up to the header, and checks it.
func (r *Reader) csvHeader() (header, error) {
	var line []byte
	for len(line) == 0 || line[0] == '#' {
		var wrong, err error
		if line, wrong, err = r.lines.next(); err != nil || wrong != nil {
			return header{}, errors.Join(err, wrong)
		}
	}
	h := newHeader(string(line))
	seen := make(map[string]bool)
	for i, column := range h.columns {
		name := h.written[i]
		switch {
		case r.ignores(name):
			h.columns[i] = ""
			continue
		case column == "":
			return header{}, unknownColumn(i+1, name)
		case seen[column]:
			return header{}, &NotKeysError{Problem: "the header has a column twice: " + column + "; remove one of them"}
		}
		seen[column] = true
	}
	if !seen["key"] && !seen["sha256"] {
		return header{}, &NotKeysError{Problem: "the header needs a column key or sha256"}
	}
	return h, nil
}

// unknownColumn returns an error that names the column, unless the name may be a token.
func unknownColumn(number int, name string) error {
	problem := fmt.Sprintf("the header's column %d is not known", number)
	if nameable(name) {
		problem += fmt.Sprintf(": %s; rename it, or leave it out with --ignore %s", name, name)
	} else {
		problem += "; the first line must name the columns, such as key,userId,name"
	}
	return &NotKeysError{Problem: problem}
}

// fields returns the fields of one line. Without userId, the id is the owner, as in a key file.
func (h header) fields(line []byte) (fields, error) {
	cells, err := csvCells(line, h.separator)
	if err != nil {
		return nil, errors.New("the quotes of the line do not match; a value may not have a line break in it")
	}
	if len(cells) != len(h.columns) {
		return nil, fmt.Errorf("the line has %d values, and the header %d columns; quote a value that has a separator in it",
			len(cells), len(h.columns))
	}
	f := make(fields)
	for i, cell := range cells {
		column, cell := h.columns[i], strings.TrimSpace(cell)
		if cell == "" || strings.EqualFold(cell, "null") || cell == `\N` || column == "" {
			continue
		}
		value, err := csvColumns[column](cell)
		if err != nil {
			return nil, wrong(column, err.Error())
		}
		if column == "requestsPerMinute" {
			column = "rateLimit"
		}
		f[column] = value
	}
	if f["userId"] == nil && f["id"] != nil {
		f["userId"] = f["id"]
	}
	return f, nil
}
