// The core providers: who they are on the network and in telemetry. Hosts are our own table; the
// source's URL patterns are not used (they are not anchored and miss regional endpoints).
//
// A host is exact ("api.openai.com"), a dot-suffix (".api.openai.com": any labels in front), or has
// "*" inside one label ("*-aiplatform.googleapis.com").
export const providers = [
  { id: 'anthropic', semconv: 'anthropic', hosts: ['api.anthropic.com', '.api.anthropic.com'] },
  {
    id: 'aws',
    semconv: 'aws.bedrock',
    model_key: 'bedrock',
    hosts: [
      'bedrock-runtime.*.amazonaws.com',
      'bedrock-runtime.*.amazonaws.com.cn',
      'bedrock-runtime-fips.*.amazonaws.com',
      'bedrock-runtime.*.vpce.amazonaws.com',
      '.bedrock-runtime.*.vpce.amazonaws.com',
      '.bedrock-runtime-fips.*.vpce.amazonaws.com',
      'bedrock-mantle.*.api.aws',
    ],
  },
  {
    id: 'azure',
    semconv: 'azure.ai.openai',
    inherits: ['openai', 'anthropic', 'deepseek', 'x-ai', 'moonshotai'],
    // azure-api.net is a gateway product for any API, so it names nobody.
    hosts: [
      '.openai.azure.com',
      '.openai.azure.us',
      '.openai.azure.cn',
      '.cognitiveservices.azure.com',
      '.services.ai.azure.com',
    ],
  },
  { id: 'cerebras', semconv: 'cerebras', hosts: ['api.cerebras.ai'] },
  { id: 'cohere', semconv: 'cohere', hosts: ['api.cohere.com', 'api.cohere.ai'] },
  { id: 'deepseek', semconv: 'deepseek', hosts: ['api.deepseek.com'] },
  { id: 'fireworks', semconv: 'fireworks', hosts: ['api.fireworks.ai'] },
  {
    id: 'google',
    semconv: 'gcp.gemini',
    hosts: ['generativelanguage.googleapis.com'],
    take: (id) => !id.startsWith('claude-'),
  },
  {
    id: 'google-vertex',
    from: 'google',
    semconv: 'gcp.vertex_ai',
    inherits: ['google', 'anthropic'],
    hosts: [
      'aiplatform.googleapis.com',
      '*-aiplatform.googleapis.com',
      'aiplatform.*.rep.googleapis.com',
    ],
    take: (id) => id.startsWith('claude-'),
  },
  { id: 'groq', semconv: 'groq', hosts: ['api.groq.com'] },
  {
    id: 'minimax',
    semconv: 'minimax',
    hosts: ['api.minimax.io', 'api.minimax.com', 'api.minimaxi.com'],
  },
  { id: 'mistral', semconv: 'mistral_ai', hosts: ['api.mistral.ai', 'api.*.mistral.ai'] },
  { id: 'moonshotai', semconv: 'moonshot_ai', hosts: ['api.moonshot.ai', 'api.moonshot.cn'] },
  { id: 'openai', semconv: 'openai', hosts: ['api.openai.com', '.api.openai.com'] },
  { id: 'perplexity', semconv: 'perplexity', hosts: ['api.perplexity.ai'] },
  { id: 'together', semconv: 'together', hosts: ['api.together.xyz', 'api.together.ai'] },
  { id: 'voyageai', semconv: 'voyageai', hosts: ['api.voyageai.com'] },
  { id: 'x-ai', semconv: 'x_ai', hosts: ['api.x.ai', '.api.x.ai'] },
  { id: 'zai', semconv: 'zai', hosts: ['api.z.ai'] },
  { id: 'zhipuai', semconv: 'zhipuai', hosts: ['open.bigmodel.cn'] },
];

// Source prices that are an empty object and mean "free". Other empty prices are not shipped: an
// unknown price is not zero.
export const free = new Set([
  'google/gemma-3', 'google/gemma-3n', 'google/gemma-4-26b-a4b-it', 'google/gemma-4-31b-it',
  'openai/moderation', 'azure/mai-ds-r1:free', 'azure/phi-4-reasoning-plus:free',
  'azure/phi-4-reasoning:free', 'mistral/devstral-small:free', 'mistral/mistral-nemo:free',
  'mistral/mistral-small-24b-instruct-2501:free',
]);

// Provider ids of the second catalogue.
export const catalogIds = {
  anthropic: 'anthropic', aws: 'amazon-bedrock', cerebras: 'cerebras', deepseek: 'deepseek',
  fireworks: 'fireworks', google: 'google', 'google-vertex': 'google-vertex', groq: 'groq',
  minimax: 'minimax', mistral: 'mistral', moonshotai: 'moonshot', openai: 'openai',
  together: 'together', 'x-ai': 'xai', zai: 'zai',
};

// A disagreement between the two catalogues here fails the generation unless it was reviewed.
export const firstParty = [
  'anthropic', 'cerebras', 'deepseek', 'google', 'groq', 'mistral', 'moonshotai', 'openai', 'x-ai',
];
