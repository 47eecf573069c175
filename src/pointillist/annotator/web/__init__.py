"""What a browser talks to: routes, security, and everything that runs behind the page."""
