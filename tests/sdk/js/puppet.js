// Does what it is told with the SDK for JavaScript, in a browser and in Node alike; tests/sdk/scenarios.py says what there is.
globalThis.makePuppet = (Centrifuge, options, encode = (data) => data, decode = (data) => data) => {
  const clients = new Map();
  const waiting = [];
  let wake = () => {};
  const tell = (event) => {
    waiting.push(event);
    wake();
  };

  // The getter of a client's or a subscription's tokens: the next one each time, and the last one again.
  const getter = (client, channel, tokens) => async () => {
    tell({ client, channel, event: "token" });
    return tokens.length > 1 ? tokens.shift() : tokens[0];
  };

  const told = (publication) => ({
    data: decode(publication.data), offset: publication.offset ?? 0,
    user: publication.info?.user ?? null, by: publication.info?.client ?? null,
  });

  // Client and subscription have the same events; those of a client are about its server-side channels.
  const listen = (client, emitter, server) => {
    const on = (event, fields) => emitter.on(event, (context) => tell({ client, channel: context.channel, event, server, ...fields(context) }));
    on("subscribing", (context) => ({ code: context.code ?? 0 }));
    on("subscribed", (context) => ({
      recoverable: context.recoverable, positioned: context.positioned,
      was_recovering: context.wasRecovering, recovered: context.recovered,
      offset: context.streamPosition?.offset ?? 0, epoch: context.streamPosition?.epoch ?? "",
    }));
    on("unsubscribed", (context) => ({ code: context.code ?? 0 }));
    on("publication", told);
    on("join", (context) => ({ user: context.info.user, who: context.info.client }));
    on("leave", (context) => ({ user: context.info.user, who: context.info.client }));
    on("error", (context) => ({ code: context.error.code }));
  };

  const open = (command) => {
    const client = new Centrifuge(command.url, {
      ...options, minReconnectDelay: 100, maxReconnectDelay: 1000, maxServerPingDelay: command.ping_delay_ms,
      ...(command.tokens ? { getToken: getter(command.client, "", command.tokens) } : { token: command.token }),
    });
    client.on("connecting", (context) => tell({ client: command.client, event: "connecting", code: context.code }));
    client.on("connected", (context) => tell({ client: command.client, event: "connected", id: context.client }));
    client.on("disconnected", (context) => tell({ client: command.client, event: "disconnected", code: context.code }));
    listen(command.client, client, true);
    clients.set(command.client, client);
  };

  const subscribe = (client, command) => {
    const subscription = client.newSubscription(command.channel, {
      ...(command.usual_delays ? {} : { minResubscribeDelay: 100, maxResubscribeDelay: 1000 }), joinLeave: command.join_leave ?? false,
      ...(command.tokens ? { getToken: getter(command.client, command.channel, command.tokens) } : { token: command.token ?? "" }),
    });
    listen(command.client, subscription, false);
    subscription.subscribe();
  };

  const info = ({ user, client }) => ({ user, client });
  const calls = {
    publish: (client, { channel, data }) => client.publish(channel, encode(data)).then(() => ({})),
    presence: (client, { channel }) => client.presence(channel).then(
      ({ clients }) => Object.fromEntries(Object.entries(clients).map(([id, each]) => [id, info(each)]))),
    presence_stats: (client, { channel }) => client.presenceStats(channel).then(
      ({ numClients, numUsers }) => ({ clients: numClients, users: numUsers })),
    history: (client, { channel, limit, since, reverse }) => client.history(channel, { limit, since, reverse }).then(
      ({ publications, offset, epoch }) => ({ publications: publications.map(told), offset, epoch })),
  };

  const call = (client, command) => calls[command.do](client, command).then(
    (value) => tell({ client: command.client, event: "result", call: command.call, value }),
    (error) => tell({ client: command.client, event: "failure", call: command.call, code: error.code ?? 0 }));

  const perform = (command) => {
    const client = clients.get(command.client);
    const subscription = command.channel && client?.getSubscription(command.channel);
    if (command.do === "open") open(command);
    else if (command.do === "connect") client.connect();
    else if (command.do === "disconnect") client.disconnect();
    else if (command.do === "subscribe") subscription ? subscription.subscribe() : subscribe(client, command);
    else if (command.do === "unsubscribe") subscription.unsubscribe();
    else call(client, command);
  };

  // What was told since the last time; waits for the first, so many milliseconds.
  const take = async (patience) => {
    if (waiting.length === 0) {
      await new Promise((done) => {
        wake = done;
        setTimeout(done, patience);
      });
    }
    return waiting.splice(0);
  };

  return { perform, told: take };
};
