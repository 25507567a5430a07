import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";
import { type AiCall, testAiSdk } from "./ai_sdk_cases.ts";

function settingsOf({ connection: { origin, fetch }, api, model, ...settings }: AiCall) {
  const openai = createOpenAI({ apiKey: "key", baseURL: `${origin}/v1`, fetch });
  return { model: openai[api](model), maxOutputTokens: 500, ...settings };
}

testAiSdk({
  name: "ai 7",
  generateText: async (call) => await generateText(settingsOf(call)),
  streamText: (call) => streamText({ ...settingsOf(call), onError() {} }).fullStream,
});
