// The usual worker of a Node shop: jobs from Redis by BullMQ, signed, posted by undici; node bullmq_worker.mjs REDIS_PORT URL JOBS AT_ONCE
import { createRequire } from "node:module";
import { createHmac } from "node:crypto";

const require = createRequire(`${process.cwd()}/`);
const { Queue, Worker } = require("bullmq");
const { Agent } = require("undici");

const [port, url, jobs, atOnce] = process.argv.slice(2).map((each) => Number(each) || each);
const connection = { host: "127.0.0.1", port };
const agent = new Agent({ connections: atOnce, pipelining: 1 });
const { origin, pathname } = new URL(url);
const key = Buffer.alloc(32, 7);
const text = "x".repeat(2500);

const queue = new Queue("deliveries", { connection });
for (let at = 0; at < jobs; at += 500) {
  await queue.addBulk(
    Array.from({ length: Math.min(500, jobs - at) }, (_, number) => ({
      name: "deliver",
      data: { id: `dlv_${at + number}`, body: { type: "report.matched", data: { text } } },
      opts: { attempts: 10, backoff: { type: "exponential", delay: 5000 }, removeOnComplete: { count: 1000 } },
    })),
  );
}

let done = 0;
const started = process.hrtime.bigint();
const worker = new Worker(
  "deliveries",
  async ({ data }) => {
    const body = JSON.stringify(data.body);
    const timestamp = Math.floor(Date.now() / 1000);
    const signature = createHmac("sha256", key).update(`${data.id}.${timestamp}.${body}`).digest("base64");
    const headers = {
      "content-type": "application/json",
      "webhook-id": data.id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": `v1,${signature}`,
    };
    const answer = await agent.request({ origin, path: pathname, method: "POST", headers, body });
    await answer.body.dump();
    if (answer.statusCode >= 300) throw new Error(`answered ${answer.statusCode}`);
  },
  { connection, concurrency: atOnce },
);
worker.on("completed", async () => {
  if (++done === jobs) {
    console.log(jobs / (Number(process.hrtime.bigint() - started) / 1e9));
    process.exit(0);
  }
});
