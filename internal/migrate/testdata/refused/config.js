module.exports = {
  alice: 'p06PZd4UkWj0tqGPuyB1tipITvQ0dw52',
  bob: process.env.BOB_KEY,
};
