// A real program: makes the calls of a plan with the official Node libraries. The plan is that of
// sdk_client.py; calls run `concurrency` at a time.
import fs from 'node:fs';
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';

const plan = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const maxRetries = plan.max_retries ?? 0;
const openai = new OpenAI({ baseURL: plan.openai, apiKey: 'sk-test-simulated', maxRetries });
const anthropic =
    new Anthropic({ baseURL: plan.anthropic, apiKey: 'sk-ant-test-simulated', maxRetries });

function body(call) {
  const scenario = JSON.stringify(call.scenario);
  const prompt = `call ${call.scenario.id}: ` + (call.prompt ?? 'What is the tide?') +
      ' lorem'.repeat(Math.floor((call.prompt_bytes ?? 0) / 6));
  const common = {
    model: call.model,
    messages: call.messages ?? [{ role: 'user', content: prompt }],
    stream: Boolean(call.stream),
  };
  if (call.api === 'anthropic') {
    return { ...common, max_tokens: call.max_tokens ?? 1000, metadata: { user_id: scenario },
             ...call.params };
  }
  const usage = call.include_usage ? { stream_options: { include_usage: true } } : {};
  return { ...common, user: scenario, ...usage, ...call.params };
}

async function make(call) {
  const library = call.api === 'anthropic' ? anthropic.messages : openai.chat.completions;
  const options = { headers: call.headers ?? {} };
  if (call.timeout) options.timeout = call.timeout * 1000;
  const reply = await library.create(body(call), options);
  if (!call.stream) return { response: reply.id };
  let events = 0;
  for await (const event of reply) {
    if (++events === call.close_after) break;
  }
  return { events };
}

async function makeAndReport(call) {
  let seen;
  try {
    seen = await make(call);
    if (call.fails) throw new Error(`did not fail: ${JSON.stringify(call)}`);
  } catch (error) {
    const known = error instanceof OpenAI.OpenAIError || error instanceof Anthropic.AnthropicError;
    if (!call.fails || !known) throw error;
    seen = { error: error.constructor.name };
  }
  console.log(JSON.stringify({ id: call.scenario.id, ...seen }));
}

const waiting = [...plan.calls];
async function worker() {
  for (let call = waiting.shift(); call; call = waiting.shift()) await makeAndReport(call);
}
await Promise.all(Array.from({ length: plan.concurrency ?? 1 }, worker));
