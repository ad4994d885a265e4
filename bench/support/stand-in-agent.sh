#!/bin/sh
# A stand-in for Claude Code: the same wires (a message as a JSON line in, events as JSON lines out, the model through ANTHROPIC_BASE_URL) without the
# CLI's own weight, so that what is measured is Berth. First of all it writes down when it was started, in nanoseconds since 1970.
date +%s%N >> "$HOME/started"
exec node --input-type=module -e '
const { ANTHROPIC_BASE_URL, ANTHROPIC_AUTH_TOKEN } = process.env;
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

async function firstMessage() {
  let text = "";
  for await (const chunk of process.stdin) {
    text += chunk;
    if (text.includes("\n")) return JSON.parse(text.split("\n")[0]).message.content[0].text;
  }
  throw new Error("no message came");
}

const content = await firstMessage();
say({ type: "system", subtype: "init" });
const response = await fetch(`${ANTHROPIC_BASE_URL}/v1/messages`, {
  method: "POST",
  headers: {
    authorization: `Bearer ${ANTHROPIC_AUTH_TOKEN}`,
    "content-type": "application/json",
    "anthropic-version": "2023-06-01",
  },
  body: JSON.stringify({
    model: "claude-sonnet-4-6",
    max_tokens: 1024,
    stream: true,
    messages: [{ role: "user", content }],
  }),
});
if (!response.ok) throw new Error(`the model answered ${response.status}: ${await response.text()}`);
const decoder = new TextDecoder();
let rest = "";
let answer = "";
for await (const chunk of response.body) {
  const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
  rest = lines.pop();
  for (const line of lines.filter((each) => each.startsWith("data: "))) {
    const event = JSON.parse(line.slice(6));
    say({ type: "stream_event", event });
    answer += event.delta?.text ?? "";
  }
}
say({ type: "result", is_error: false, result: answer });
process.exit();
'
