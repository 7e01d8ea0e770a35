// Prices of the source as cards of the book.

const RATE_KEYS = {
  input_mtok: 'input', cache_read_mtok: 'cache_read', cache_write_1h_mtok: 'cache_write_1h',
  output_mtok: 'output', output_reasoning_mtok: 'reasoning', input_audio_mtok: 'input_audio',
  cache_audio_read_mtok: 'cache_read_audio', output_audio_mtok: 'output_audio',
};
export const RATE_ORDER = [
  'input', 'cache_read', 'cache_write_5m', 'cache_write_1h', 'cache_write', 'output', 'reasoning',
  'input_audio', 'cache_read_audio', 'output_audio',
];
const CALL_KEYS = { web_searches_kcount: 'web_search' };
// Billed, but the agent counts no such unit: a quote from such a card stays partial.
const UNCOUNTED = {
  requests_kcount: 'request', output_citation_mtok: 'citation', input_image_mtok: 'input_image',
  output_image_mtok: 'output_image', input_video_mtok: 'input_video',
  output_video_mtok: 'output_video',
};
// Not shipped: units of other products, or parts of the ones above.
const IGNORED = new Set([
  'storage_searches_kcount', 'cache_image_read_mtok', 'audio_hours', 'input_audio_hours',
  'input_document_kpages', 'input_annotated_document_kpages', 'input_text_messages_kcount',
]);

const SPEAKS = /audio|realtime|live|sonic|voice|voxtral|-tts|transcribe/;

/// Decimal text without float noise: 0.004200000000000001 is 0.0042.
export function decimal(number) {
  if (!Number.isFinite(number) || number < 0) throw new Error(`bad price ${number}`);
  const text = number.toFixed(12).replace(/\.?0+$/, '');
  if (Math.abs(Number(text) - number) > 4e-6 * number) throw new Error(`${number} needs more digits`);
  return text;
}

/// The source has one price for cache writes. Claude's is that of 5 minutes; others state no time.
const writeKey = (modelId) => (modelId.includes('claude') ? 'cache_write_5m' : 'cache_write');

const inOrder = (row) => {
  const out = { above_input: row.above_input };
  for (const key of RATE_ORDER) if (key in row) out[key] = row[key];
  return out;
};

function rows(prices, modelId) {
  const starts = new Set([0]);
  for (const value of Object.values(prices)) for (const t of value.tiers ?? []) starts.add(t.start);
  return [...starts].sort((a, b) => a - b).map((start) => {
    const row = { above_input: start };
    for (const [key, value] of Object.entries(prices)) {
      const name = key === 'cache_write_mtok' ? writeKey(modelId) : RATE_KEYS[key];
      if (!name) continue;
      let price = typeof value === 'number' ? value : value.base;
      for (const tier of value.tiers ?? []) if (start >= tier.start) price = tier.price;
      row[name] = decimal(price);
    }
    return inOrder(row);
  });
}

function cardOf(prices, modelId, selectors) {
  for (const key of Object.keys(prices)) {
    if (!(key in RATE_KEYS) && key !== 'cache_write_mtok' && !(key in CALL_KEYS) &&
        !(key in UNCOUNTED) && !IGNORED.has(key)) {
      throw new Error(`${modelId}: price key ${key} is new: decide what it means`);
    }
  }
  const card = { ...selectors, tier: 'standard', rates: rows(prices, modelId) };
  if (Object.keys(card.rates[0]).length === 1) return null;
  const calls = {};
  for (const [key, name] of Object.entries(CALL_KEYS)) {
    if (key in prices) calls[name] = { usd: decimal(prices[key]), per: 1000 };
  }
  if (Object.keys(calls).length) card.per_call = calls;
  const uncounted = Object.keys(UNCOUNTED).filter((key) => key in prices).map((key) => UNCOUNTED[key]);
  // A speech model without audio rates: its audio tokens must not pass for text.
  if (SPEAKS.test(modelId) && !('input_audio_mtok' in prices || 'output_audio_mtok' in prices)) {
    uncounted.push('audio');
  }
  if (uncounted.length) card.uncounted = uncounted.sort();
  return card;
}

/// Cards of one model in time order. A price by time of day holds within the period of the dated
/// price it follows in the source's list.
export function cardsOf(model, isFree) {
  if (isFree) return [{ tier: 'standard', rates: [{ above_input: 0, input: '0', output: '0' }] }];
  const list = Array.isArray(model.prices) ? model.prices : [{ prices: model.prices }];
  const dates = list.filter((p) => p.constraint?.type === 'start_date')
    .map((p) => p.constraint.start_date).sort();
  const cards = [];
  let from;
  for (const { prices, constraint } of list) {
    const selectors = {};
    if (constraint?.type === 'start_date') from = constraint.start_date;
    if (from) selectors.from = from;
    const to = dates.find((date) => !from || date > from);
    if (to) selectors.to = to;
    if (constraint?.type === 'time_of_date') {
      const minutes = (text) => /^(\d\d:\d\d):00Z$/.exec(text)[1];
      selectors.utc_window = [minutes(constraint.start_time), minutes(constraint.end_time)];
    }
    const card = cardOf(prices, model.id, selectors);
    if (card) cards.push(card);
  }
  return cards;
}

/// A card whose token rates are the given ones times numerator / denominator, in exact decimals.
export function scaled(card, [numerator, denominator], changes, keys = RATE_ORDER) {
  const scale = (text) => {
    const [whole, fraction = ''] = text.split('.');
    const units = BigInt(whole + fraction.padEnd(12, '0')) * BigInt(numerator);
    if (units % BigInt(denominator)) throw new Error(`${text} x ${numerator}/${denominator}`);
    const digits = (units / BigInt(denominator)).toString().padStart(13, '0');
    return `${digits.slice(0, -12)}.${digits.slice(-12)}`.replace(/\.?0+$/, '');
  };
  return {
    ...card,
    ...changes,
    rates: card.rates.map((row) => Object.fromEntries(Object.entries(row)
      .filter(([key]) => key === 'above_input' || keys.includes(key))
      .map(([key, value]) => [key, key === 'above_input' ? value : scale(value)]))),
  };
}
