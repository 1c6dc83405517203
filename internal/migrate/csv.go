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

// csvColumns holds the columns, and how their values are written. The names are those of JSON
// Lines. Of a limit, only the requests in a minute can be given.
var csvColumns = map[string]func(string) (json.RawMessage, error){
	"key": csvText, "sha256": csvText, "id": csvText, "publicKey": csvText, "userId": csvText, "environment": csvText,
	"name": csvText, "description": csvText, "notBefore": csvText, "expiresAt": csvText,
	"scopes": csvList, "allowedCidrs": csvList, "enabled": csvBool, "unlimited": csvBool, "requestsPerMinute": csvLimit,
}

// csvNames are the names of columns as they are compared, with those that key files
// have for them.
var csvNames = func() map[string]string {
	names := map[string]string{"apikey": "key", "keyid": "id", "expiry": "expiresAt"}
	for name := range csvColumns {
		names[columnName(name)] = name
	}
	return names
}()

// columnName writes User ID, user_id and userId alike.
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

// columnsOf reads a header. A column that is not known has the name "". The separator is the first of comma, semicolon and tab
// that stands in it.
func columnsOf(header string) (columns []string, separator rune) {
	separator = ','
	if i := strings.IndexAny(header, ",;\t"); i >= 0 {
		separator = rune(header[i])
	}
	cells, err := csvCells([]byte(header), separator)
	if err != nil {
		return nil, separator
	}
	for _, cell := range cells {
		columns = append(columns, csvNames[columnName(cell)])
	}
	return columns, separator
}

// csvCells splits one line into cells.
func csvCells(line []byte, separator rune) ([]string, error) {
	r := csv.NewReader(strings.NewReader(string(line)))
	r.Comma = separator
	return r.Read()
}

// csvLines reads a header and then an entry of each line. The file is refused as a
// whole if its header does not name its columns.
func (r *Reader) csvLines() source {
	var columns []string
	var separator rune
	lines := r.eachLine(func(line []byte) (apikey.Import, map[string]string, error) {
		cells, err := csvCells(line, separator)
		if err != nil {
			return apikey.Import{}, nil, errors.New("the quotes of the line do not match; a value may not have a line break in it")
		}
		if len(cells) != len(columns) {
			return apikey.Import{}, nil, fmt.Errorf("the line has %d values, and the header %d columns", len(cells), len(columns))
		}
		fields := make(map[string]json.RawMessage)
		for i, cell := range cells {
			column, cell := columns[i], strings.TrimSpace(cell)
			if cell == "" || strings.EqualFold(cell, "null") || cell == `\N` || column == "" {
				continue
			}
			value, err := csvColumns[column](cell)
			if err != nil {
				return apikey.Import{}, nil, wrong(column, err.Error())
			}
			if column == "requestsPerMinute" {
				column = "rateLimit"
			}
			fields[column] = value
		}
		if _, ok := fields["userId"]; !ok && fields["id"] != nil {
			fields["userId"] = fields["id"] // as in a key file
		}
		return r.entry(fields)
	})
	return func() (entry, error) {
		if columns == nil {
			var header []byte
			for len(header) == 0 || header[0] == '#' {
				var wrong, err error
				if header, wrong, err = r.lines.next(); err != nil || wrong != nil {
					return entry{}, errors.Join(err, wrong)
				}
			}
			var err error
			if columns, separator, err = r.header(string(header)); err != nil {
				return entry{}, err
			}
		}
		return lines()
	}
}

// header reads the names of columns. Of those that are ignored, the name is "".
func (r *Reader) header(line string) ([]string, rune, error) {
	columns, separator := columnsOf(line)
	written, _ := csvCells([]byte(line), separator)
	seen := make(map[string]bool)
	for i, column := range columns {
		name := strings.TrimSpace(written[i])
		switch {
		case r.ignores(name):
			columns[i] = ""
			continue
		case column == "" && nameable(name):
			return nil, 0, &NotKeysError{Problem: fmt.Sprintf("the header's column %d is not known: %s; rename it, or leave it out with --ignore %s", i+1, name, name)}
		case column == "":
			return nil, 0, &NotKeysError{Problem: fmt.Sprintf("the header's column %d is not known; the first line must name the columns, such as key,userId,name", i+1)}
		case seen[column]:
			return nil, 0, &NotKeysError{Problem: "the header has a column twice: " + column}
		}
		seen[column] = true
	}
	if !seen["key"] && !seen["sha256"] {
		return nil, 0, &NotKeysError{Problem: "the header needs a column key or sha256"}
	}
	return columns, separator, nil
}
