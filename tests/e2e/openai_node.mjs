// What the official npm client does with `mom serve`, whole and streamed. Started by openai_node_test.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import test from "node:test";

const OpenAI = createRequire(process.env.NODE_PATH + "/")("openai").default;
const clientOf = (name) => new OpenAI({ baseURL: process.env[`URL_${name}`] + "/v1", apiKey: "none", maxRetries: 0, timeout: 60_000 });
const codes = clientOf("three_modality"), latents = clientOf("transfusion");
const sound = readFileSync(process.env.SOUND);
const user = (content) => [{ role: "user", content }];

async function collect(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

test("models", async () => {
  const models = await collect(codes.models.list());
  assert.deepEqual(models.map((model) => model.id), ["three_modality"]);
  assert.equal((await codes.models.retrieve("three_modality")).id, "three_modality");
});

test("chat, whole and streamed, is the same", async () => {
  const request = { model: "three_modality", messages: user("red disc"), max_completion_tokens: 30, seed: 5, n: 2, logprobs: true };
  const whole = await codes.chat.completions.create(request);
  const chunks = await collect(await codes.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } }));
  for (const [i, choice] of whole.choices.entries()) {
    const own = chunks.flatMap((chunk) => chunk.choices).filter((one) => one.index === i);
    assert.equal(own.map((one) => one.delta.content ?? "").join(""), choice.message.content ?? "");
    assert.deepEqual(own.flatMap((one) => one.logprobs?.content ?? []), choice.logprobs.content);
    assert.equal(own.at(-1).finish_reason, choice.finish_reason);
  }
  assert.deepEqual(chunks.at(-1).usage, whole.usage);
  // The client's own way of putting a stream together.
  const joined = await codes.chat.completions.stream({ ...request, n: 1 }).finalChatCompletion();
  assert.equal(joined.choices[0].message.content, whole.choices[0].message.content);
});

test("chat with an image and a sound in and out", async () => {
  const image = (await codes.images.generate({ model: "three_modality", prompt: "red disc", seed: 9 })).data[0].b64_json;
  const messages = user([
    { type: "image_url", image_url: { url: "data:image/png;base64," + image } },
    { type: "input_audio", input_audio: { data: sound.toString("base64"), format: "wav" } },
    { type: "text", text: "Entry" },
  ]);
  const told = await codes.chat.completions.create({ model: "three_modality", messages, max_tokens: 20, seed: 3 });
  assert.equal(told.usage.completion_tokens, 20);
  const spoken = await codes.chat.completions.create({ model: "three_modality", messages: user("red disc"), max_tokens: 20, seed: 1, modalities: ["audio"] });
  assert.equal(Buffer.from(spoken.choices[0].message.audio.data, "base64").toString("latin1", 0, 4), "RIFF");
  const drawn = await codes.chat.completions.create({ model: "three_modality", messages: user("red disc"), max_tokens: 100, seed: 1, modalities: ["image"] });
  assert.match(drawn.choices[0].message.images[0].image_url.url, /^data:image\/png;base64,iVBOR/);
  const answer = drawn.choices[0].message; // the next turn takes it as it came
  await codes.chat.completions.create({ model: "three_modality", messages: [...user("red disc"), answer, ...user("more")], max_tokens: 3 });
});

test("images, whole and while they are denoised", async () => {
  const request = { model: "transfusion", prompt: "red disc", seed: 9, num_inference_steps: 6 };
  const whole = await latents.images.generate(request);
  const events = await collect(await latents.images.generate({ ...request, stream: true, partial_images: 2 }));
  assert.deepEqual(events.map((event) => event.type), ["image_generation.partial_image", "image_generation.partial_image", "image_generation.completed"]);
  assert.equal(events.at(-1).b64_json, whole.data[0].b64_json);
});

test("speech and its transcription", async () => {
  const speech = await codes.audio.speech.create({ model: "three_modality", voice: "any", input: "red disc", response_format: "wav", seed: 4, max_tokens: 26 });
  const wav = Buffer.from(await speech.arrayBuffer());
  assert.equal(wav.toString("latin1", 0, 4), "RIFF");
  const request = { model: "three_modality", seed: 2, max_tokens: 9 };
  const file = async () => await OpenAI.toFile(wav, "in.wav");
  const whole = await codes.audio.transcriptions.create({ ...request, file: await file() });
  const events = await collect(await codes.audio.transcriptions.create({ ...request, file: await file(), stream: true }));
  assert.equal(events.slice(0, -1).map((event) => event.delta).join(""), whole.text);
  assert.equal(events.at(-1).text, whole.text);
});

test("completions", async () => {
  const request = { model: "three_modality", prompt: [2, 30, 31], max_tokens: 12, seed: 8 };
  const whole = await codes.completions.create(request);
  assert.equal(whole.choices[0].tokens.length, 12);
  const chunks = await collect(await codes.completions.create({ ...request, stream: true }));
  assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(""), whole.choices[0].text);
});

test("errors are the client's own", async () => {
  const wrong = codes.completions.create({ model: "three_modality", prompt: "x", temperature: -1 });
  await assert.rejects(wrong, (error) => error instanceof OpenAI.BadRequestError && error.param === "temperature");
  await assert.rejects(codes.completions.create({ model: "other", prompt: "x" }), OpenAI.NotFoundError);
});

test("a stream that is left ends", async () => {
  const stream = await codes.chat.completions.create({ model: "three_modality", messages: user("red"), max_tokens: 4000, modalities: ["audio"], temperature: 0, stream: true });
  setTimeout(() => stream.controller.abort(), 50);
  await collect(stream).catch(() => {});
  const end = Date.now() + 10_000;
  while ((await (await fetch(process.env.URL_three_modality + "/slots")).json()).length > 0) {
    assert.ok(Date.now() < end, "the slot is still taken");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
