"""What the agent asks of a container engine: its calls, BuildKit, fetches of images, a registry that hosts share.

The launcher of containers and the makers of images call it. It knows neither steps nor environments.
"""
