// Print every tagged report once, over HTTP: id, topics, title. Go on where it ended. Nothing but the standard library.
//
// Usage: go run main.go http://localhost:8000 CURSOR_FILE [FILTER]     FILTER: topic=aid&country=SD
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

type event struct {
	Data struct {
		Report struct{ Title string }
		Tags   []struct{ Topic string }
	}
}

func main() {
	base, file, filter := os.Args[1], os.Args[2], ""
	if len(os.Args) > 3 {
		filter = os.Args[3]
	}
	for {
		if err := follow(base, file, filter); err != nil {
			fmt.Fprintln(os.Stderr, "connecting again:", err)
		}
		time.Sleep(2 * time.Second)
	}
}

// follow reads events until the connection ends, and ends the program if some of them are not kept any more.
func follow(base, file, filter string) error {
	request, err := http.NewRequest("GET", base+"/v1/events?after=0&"+filter, nil)
	if err != nil {
		return err
	}
	if last, err := os.ReadFile(file); err == nil {
		request.Header.Set("Last-Event-ID", strings.TrimSpace(string(last)))
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusGone || answer.StatusCode == http.StatusBadRequest {
		why, _ := io.ReadAll(answer.Body)
		fail(string(why))
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return read(answer.Body, file)
}

func read(body io.Reader, file string) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 16<<20)
	fields := map[string]string{}
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if name != "" {
			fields[name] = strings.TrimPrefix(value, " ")
			continue
		}
		if lines.Text() == "" {
			take(fields, file)
			fields = map[string]string{}
		}
	}
	return lines.Err()
}

func take(fields map[string]string, file string) {
	if fields["event"] == "gone" {
		fail(fields["data"])
	}
	// "overflow" says that we were too slow: the answer ends, and we connect again.
	if fields["data"] != "" && fields["event"] == "" {
		var one event
		if err := json.Unmarshal([]byte(fields["data"]), &one); err != nil {
			fail(err.Error())
		}
		fmt.Println(strings.Join([]string{fields["id"], topics(one), one.Data.Report.Title}, "\t"))
	}
	if fields["id"] != "" {
		if err := os.WriteFile(file, []byte(fields["id"]), 0o644); err != nil {
			fail(err.Error())
		}
	}
}

func topics(one event) string {
	seen, names := map[string]bool{}, []string{}
	for _, tag := range one.Data.Tags {
		if !seen[tag.Topic] {
			seen[tag.Topic] = true
			names = append(names, tag.Topic)
		}
	}
	return strings.Join(names, ",")
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}
