// Print every tagged report once, over HTTP: id, topics, title. Go on where it ended. Node 18 or newer, no packages.
//
// Usage: node consume.mjs http://localhost:8000 CURSOR_FILE [FILTER]     FILTER: topic=aid&country=SD
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const [base, file, filter = ""] = process.argv.slice(2);
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
let lastId = existsSync(file) ? readFileSync(file, "utf8").trim() : "";

function take(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 1).trimStart();
  }
  if (fields.event === "gone") fail(fields.data);
  // `overflow` says that we were too slow: the answer ends, and we connect again.
  if (fields.data && !fields.event) {
    const { report, tags } = JSON.parse(fields.data).data;
    const topics = [...new Set(tags.map((tag) => tag.topic))].join(",");
    console.log([fields.id, topics, report.title].join("\t"));
  }
  if (fields.id) writeFileSync(file, (lastId = fields.id));
}

function fail(why) {
  console.error(why);
  process.exit(1);
}

for (;;) {
  try {
    const headers = lastId ? { "Last-Event-ID": lastId } : {};
    const answer = await fetch(`${base}/v1/events?after=0&${filter}`, { headers });
    if (answer.status === 410 || answer.status === 400) fail((await answer.json()).detail);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    let rest = "";
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + piece).split("\n\n");
      rest = blocks.pop();
      blocks.forEach(take);
    }
  } catch (error) {
    console.error(`connecting again: ${error.message}`);
  }
  await pause(2);
}
