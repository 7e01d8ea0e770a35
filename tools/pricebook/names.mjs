// From the source's match rules to plain names and family stems: the book holds no patterns.

const DATED = /(-\d{4}-\d{2}-\d{2}|-20\d{6}|@20\d{6})$/;

export function accepts(rule, name) {
  const [[kind, value]] = Object.entries(rule);
  const text = name.toLowerCase();
  switch (kind) {
    case 'or': return value.some((part) => accepts(part, text));
    case 'and': return value.every((part) => accepts(part, text));
    case 'equals': return text === value.toLowerCase();
    case 'starts_with': return text.startsWith(value.toLowerCase());
    case 'ends_with': return text.endsWith(value.toLowerCase());
    case 'contains': return text.includes(value.toLowerCase());
    case 'regex': return new RegExp(value).test(text);
    default: throw new Error(`unknown match rule ${kind}`);
  }
}

/// The model that the source itself would choose: the first whose rule accepts the name.
export const chosenBySource = (models, name) => models.find((model) => accepts(model.match, name));

function* leaves(rule) {
  for (const [kind, value] of Object.entries(rule)) {
    if (kind === 'or' || kind === 'and') for (const part of value) yield* leaves(part);
    else yield [kind, value.toLowerCase()];
  }
}

const unescape = (text) => text.replace(/\\(.)/g, '$1');

/// {names, stems} of one rule. A stem stands for names that go on in a bounded way ("-latest",
/// "-preview-05-06", "-001"), which the reader of the book knows.
export function namesOf(model) {
  const names = new Set([model.id.toLowerCase()]);
  const stems = new Set();
  const loose = (text) => {
    const stem = text.replace(/[-@]+$/, '');
    if (/-20\d\d$/.test(stem) || /-0$/.test(stem)) return;  // Half of a date or of a version.
    names.add(stem);
    stems.add(stem);
  };
  for (const [kind, value] of leaves(model.match)) {
    if (kind === 'equals') names.add(value);
    else if (kind === 'ends_with') names.add(value);
    else if (kind === 'starts_with' || kind === 'contains') loose(value);
    else {
      const dated = /^\^([^()[\]*+?]+?)-\\d\{(8|4)\}/.exec(value);
      const open = /^\^([^()[\]*+?]+?)-\\d$/.exec(value);
      if (dated) names.add(unescape(dated[1]));
      else if (open) stems.add(unescape(open[1]));
      else if (!value.startsWith('^(?!')) throw new Error(`${model.id}: cannot expand ${value}`);
    }
  }
  return { names, stems };
}

export const isDated = (name) => DATED.test(name);

const BEDROCK_REGION = /^(global|regional|us|us-gov|eu|apac|jp|au|ca|in)\./;

/// [region class, id without region prefix and version suffix], as the agent reads Bedrock ids.
export function bedrockKey(id) {
  const text = id.toLowerCase();
  const region = BEDROCK_REGION.exec(text)?.[1] ?? '';
  const base = text.replace(BEDROCK_REGION, '').replace(/(-v\d+(:\w+)*|:\d+)$/, '');
  return [region, base];
}
