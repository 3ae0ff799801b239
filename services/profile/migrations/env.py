from libs.common import migrate
from services.profile.tables import metadata

migrate.run(metadata)
