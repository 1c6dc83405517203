// @ts-check
// The issuer sends the browser to this page after a sign-in. The page hands the code to the console,
// which is in another window of the same origin, and forgets it.

const answer = Object.fromEntries(new URLSearchParams(location.search));
history.replaceState(null, "", "callback.html");
const channel = new BroadcastChannel("latchkey-login");
channel.onmessage = (event) => {
  if (event.data?.type === "taken" && event.data.state === answer.state) close();
};
channel.postMessage({ type: "answer", ...answer });
setTimeout(() => {
  const message = document.getElementById("message");
  if (message) message.textContent = "You can close this window and return to the console.";
}, 2000);
