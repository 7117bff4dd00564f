"""Installing and looking after a gateway: the service, ``vedette check``, the broker's ACL."""
