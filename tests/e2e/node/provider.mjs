// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A real OpenID provider (oidc-provider) for the tests:
//
//     node provider.mjs PORT '{"clients": [...], "ttl": {...}, ...}'
//
// Prints "ready" when it listens. Everybody may sign in with any name; the
// name is the subject and part of the e-mail address. What is given as JSON is
// laid over the configuration below, except "resources": the resource servers,
// {"api://orders": {"scope": "orders.read", "accessTokenFormat": "jwt"}}. As
// with Hydra, the subject of a client's own token is the client.
import Provider, { errors, interactionPolicy } from 'oidc-provider';

const [port, text] = process.argv.slice(2);
const { resources = {}, ...given } = JSON.parse(text || '{}');
const issuer = `http://127.0.0.1:${port}`;

// A person who has signed in by less than is wanted (acr_values) is asked again,
// and has then signed in by what was wanted.
const { base, Check, Prompt } = interactionPolicy;
const policy = base();
const wantedBy = (params) => params.acr_values?.split(' ') ?? [];
policy.get('login').checks.add(new Check(
  'acr',
  'A stronger authentication is required',
  'unmet_authentication_requirements',
  ({ oidc }) => wantedBy(oidc.params).length > 0
    && !wantedBy(oidc.params).includes(oidc.session.acr),
));

// A person who may choose another account is asked to sign in.
const choice = new Prompt({ name: 'select_account', requestable: true });
choice.checks.clear();
policy.add(choice);
policy.get('login').checks.add(new Check(
  'select_account',
  'Another account may be chosen',
  'account_selection_required',
  ({ oidc }) => oidc.prompts.has('select_account') && !oidc.result?.login,
));

const configuration = {
  acrValues: ['bronze', 'gold'],
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'blob'],
  },
  conformIdTokenClaims: false,
  cookies: { keys: ['only for tests'] },
  features: {
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    dPoP: { enabled: true },
    introspection: { enabled: true },
    // The client's certificate comes in a header, as from a proxy that ends TLS.
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      getCertificate: (ctx) => (ctx.get('x-client-cert')
        ? decodeURIComponent(ctx.get('x-client-cert')) : undefined),
    },
    pushedAuthorizationRequests: { enabled: true },
    resourceIndicators: {
      enabled: Object.keys(resources).length > 0,
      getResourceServerInfo: resourceServer,
    },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  extraTokenClaims: (ctx, token) => (
    token.kind === 'ClientCredentials' ? { sub: token.clientId } : undefined),
  interactions: { policy },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      email: `${id}@example.test`,
      email_verified: true,
      name: `The user ${id}`,
      blob: id === 'large' ? largeText() : undefined,
    }),
  }),
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  ...given,
};

function resourceServer(ctx, indicator) {
  if (!Object.hasOwn(resources, indicator)) {
    throw new errors.InvalidTarget();
  }
  return resources[indicator];
}

// More than cookies hold, whatever is done to it.
function largeText() {
  let out = '';
  let seed = 7;
  while (out.length < 12000) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    out += (seed >> 8).toString(36);
  }
  return out;
}

const provider = new Provider(issuer, configuration);
const finished = provider.interactionFinished.bind(provider);
provider.interactionFinished = async (req, res, result, options) => {
  if (result.login) {
    const { params } = await provider.interactionDetails(req, res);
    result.login.acr = wantedBy(params)[0] ?? 'bronze';
  }
  return finished(req, res, result, options);
};
provider.on('server_error', (ctx, error) => console.error(error));
provider.on('backchannel.error', (ctx, error) => console.error(error));
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
