"""Put tested pages beside earlier versions, and all of it into one archive."""
