// A server that speaks HTTP/2 only: answers every request with a small chat completion.
//   node h2_server.mjs CERT KEY     prints its port
import fs from 'node:fs';
import http2 from 'node:http2';

const [cert, key] = process.argv.slice(2, 4).map((name) => fs.readFileSync(name));
const server = http2.createSecureServer({ cert, key, allowHTTP1: false });
server.on('stream', (stream) => {
  stream.resume();
  stream.on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/json' });
    stream.end(JSON.stringify({
      id: 'chatcmpl-h2', object: 'chat.completion', model: 'gpt-5-mini',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'x' } }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    }));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
