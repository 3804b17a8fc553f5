// Makes a server tell at most so many references of a node at once, and keep one continuation point, as PLCs with
// little memory do.
"use strict";

exports.limit = function limit(server, most) {
    server.engine.serverCapabilities.maxBrowseContinuationPoints = 1;
    const browse = server._on_BrowseRequest;
    server._on_BrowseRequest = function paged(message, channel) {
        message.request.requestedMaxReferencesPerNode = most;
        return browse.call(this, message, channel);
    };
};
