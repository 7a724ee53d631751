"""What `./dev bench users` compares the service with: the same job in FastAPI, asyncpg and redis-py, each at its fastest.

The same statements on the same database; answers kept for a minute, in Redis or in the process, as SETUP says, and dropped by whoever
changes a post. Answers are bytes made by orjson: nothing is validated on the way out. Run by uvicorn with uvloop and httptools.
"""

import json
import os
from contextlib import asynccontextmanager
from datetime import datetime, timezone

import asyncpg
import orjson
import redis.asyncio as redis
from fastapi import FastAPI, Request, Response

SETUP = json.loads(os.environ["SETUP"])
SECONDS = 60
SUMMARY = (
    "id slug title excerpt content_format status image_url meta_description reading_time_minutes view_count revision "
    "created_at updated_at published_at"
).split()


class Nowhere:
    """Keeps nothing."""

    async def get(self, key):
        return None

    async def put(self, key, value):
        pass

    async def drop(self, *keys):
        pass


class Process(Nowhere):
    """Keeps answers in a dictionary."""

    def __init__(self):
        self.kept = {}

    async def get(self, key):
        return self.kept.get(key)

    async def put(self, key, value):
        self.kept[key] = value

    async def drop(self, *keys):
        for key in keys:
            self.kept.pop(key, None)


class Redis(Nowhere):
    """Keeps answers in Redis."""

    def __init__(self):
        # The plain pool fails when all its connections are in use; this one waits.
        pool = redis.BlockingConnectionPool(port=SETUP["redis_port"], max_connections=64, timeout=None)
        self.redis = redis.Redis(connection_pool=pool)

    async def get(self, key):
        return await self.redis.get(key)

    async def put(self, key, value):
        await self.redis.set(key, value, ex=SECONDS)

    async def drop(self, *keys):
        await self.redis.delete(*keys)


@asynccontextmanager
async def lifespan(app):
    app.state.cache = {"none": Nowhere, "process": Process, "redis": Redis}[SETUP["cache"]]()
    app.state.pool = await asyncpg.create_pool(
        host="127.0.0.1",
        port=SETUP["db_port"],
        user=SETUP["user"],
        password=SETUP["password"],
        database=SETUP["database"],
        min_size=16,
        max_size=16,
    )
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan, openapi_url=None)


def summary(row):
    found = {name: row[name] for name in SUMMARY}
    found["author"] = {
        "id": row["author_id"],
        "slug": row["author_slug"],
        "name": row["author_name"],
        "avatar_url": row["author_avatar_url"],
    }
    pairs = [pair.split(" ", 1) for pair in row["tags"]]
    found["tags"] = [{"slug": slug, "name": name} for slug, name in pairs]
    return found


def answer(body):
    return Response(body, media_type="application/json")


@app.get("/api/v1/posts/slug/{slug}")
async def post(slug: str):
    cache, key = app.state.cache, f"post {slug}"
    body = await cache.get(key)
    if body is None:
        row = await app.state.pool.fetchrow(SETUP["post_sql"], slug)
        if row is None:
            return Response(status_code=404)
        found = summary(row)
        found["content"], found["html"] = row["content"], row["html"]
        body = orjson.dumps(found)
        await cache.put(key, body)
    return answer(body)


@app.get("/api/v1/posts")
async def posts():
    cache = app.state.cache
    body = await cache.get("posts")
    if body is None:
        rows = await app.state.pool.fetch(SETUP["list_sql"], datetime.now(timezone.utc), 21)
        page = {"limit": 20, "next_cursor": None, "prev_cursor": None}
        body = orjson.dumps({"data": [summary(row) for row in rows[:20]], "page": page})
        await cache.put("posts", body)
    return answer(body)


@app.patch("/api/v1/posts/{number}")
async def change(number: int, request: Request):
    title = orjson.loads(await request.body())["title"]
    sql = "UPDATE posts SET title = $2, updated_at = now(), revision = revision + 1 WHERE id = $1 RETURNING slug"
    slug = await app.state.pool.fetchval(sql, number, title)
    if slug is None:
        return Response(status_code=404)
    await app.state.cache.drop(f"post {slug}", "posts")
    return answer(b"{}")
