() => {
  // The player follows a click on the timeline, or an arrow key, and the mark follows the player.
  const bar = () => document.querySelector('#timeline .plot');
  const video = () => document.querySelector('#player video');
  const jump = seconds => {
    const length = +bar().dataset.seconds;
    if (video()) video().currentTime = Math.max(0, Math.min(seconds, length - .05));
  };
  const mark = () => {
    if (!bar() || !video()) return;
    const share = Math.min(1, video().currentTime / bar().dataset.seconds);
    bar().querySelector('.now').style.left = `${100 * share}%`;
    bar().setAttribute('aria-valuenow', video().currentTime.toFixed(1));
  };
  document.addEventListener('click', event => {
    if (!event.target.closest?.('#timeline .plot')) return;
    const box = bar().getBoundingClientRect();
    jump((event.clientX - box.left) / box.width * bar().dataset.seconds);
  });
  document.addEventListener('keydown', event => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (step && event.target.closest?.('#timeline .plot') && video())
      jump(video().currentTime + step);
  });
  for (const name of ['timeupdate', 'seeking']) document.addEventListener(name, mark, true);
}
