// Asks for the same page again every five seconds while it shows today and its tab is seen; where an
// answer takes long, ten times as long is waited, so that a page of much work is seldom made.
// The answer arrives as a parsed document (no text is ever turned into markup here), and only its
// <main> is taken over. Nothing is stored, and nothing is sent but the page's own address.
(function () {
  "use strict";
  var EVERY_MS = 5000;
  var REST = 10;
  var took = 0;

  function shown() {
    return document.querySelector("main[data-live]");
  }

  // A person who reads with the keyboard or has selected text should not lose their place.
  function occupied(main) {
    var selection = document.getSelection();
    var selected = selection && !selection.isCollapsed && main.contains(selection.anchorNode);
    return selected || main.contains(document.activeElement);
  }

  function replace(main, page) {
    var fresh = page && page.querySelector("main[data-live]");
    if (!fresh || occupied(main)) return;
    var open = main.querySelectorAll("details[open][id]");
    var node = document.importNode(fresh, true);
    for (var i = 0; i < open.length; i++) {
      var same = node.querySelector("#" + open[i].id);
      if (same) same.open = true;
    }
    main.replaceWith(node);
  }

  function refresh() {
    var main = shown();
    if (!main || document.visibilityState !== "visible" || occupied(main)) return again();
    var began = performance.now();
    var request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.timeout = 20000;
    request.onload = function () {
      if (request.status === 200 && shown()) replace(shown(), request.response);
    };
    request.onloadend = function () {
      took = performance.now() - began;
      again();
    };
    request.send();
  }

  function again() {
    setTimeout(refresh, Math.max(EVERY_MS, REST * took));
  }

  // Without script the button beside it does this.
  document.addEventListener("change", function (event) {
    if (event.target.matches("[data-submit]")) event.target.form.submit();
  });

  again();
})();
